//go:build linux

package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc. It is the same on every Linux
// architecture that Go supports.
const tick = time.Second / 100

// CPUOf returns the CPU time that a process and its current children have used,
// including time in the kernel.
func CPUOf(pid int) (time.Duration, error) {
	pids, err := familyOf(pid)
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, err
		}
		used, err := parseStat(stat)
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// parseStat reads the CPU time from the content of /proc/PID/stat.
func parseStat(stat []byte) (time.Duration, error) {
	// The second field is the command's name in parentheses. The name may
	// contain spaces and parentheses, so count from its end.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const user, system = 14 - 3, 15 - 3
	if len(fields) <= system {
		return 0, errors.New("/proc/PID/stat has too few fields")
	}
	u, err := strconv.ParseInt(string(fields[user]), 10, 64)
	if err != nil {
		return 0, err
	}
	s, err := strconv.ParseInt(string(fields[system]), 10, 64)
	return time.Duration(u+s) * tick, err
}

// MemoryOf returns the bytes of memory that a process and its children use. A
// page that several processes share counts only once.
func MemoryOf(pid int) (int, error) {
	pids, err := familyOf(pid)
	if err != nil {
		return 0, err
	}
	sum := 0
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		size, err := parseRollup(string(rollup))
		if err != nil {
			return 0, err
		}
		sum += size
	}
	return sum, nil
}

// parseRollup reads the proportional set size from the content of
// /proc/PID/smaps_rollup.
func parseRollup(rollup string) (int, error) {
	for line := range strings.Lines(rollup) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			size, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")))
			return size << 10, err
		}
	}
	return 0, errors.New("/proc/PID/smaps_rollup has no Pss")
}

// familyOf returns a process and its children.
func familyOf(pid int) ([]int, error) {
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err != nil {
		return nil, err
	}
	family := []int{pid}
	for _, field := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(field)
		if err != nil {
			return nil, err
		}
		family = append(family, child)
	}
	return family, nil
}

// ProcessorName returns the name that the machine gives its processor.
func ProcessorName() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(info)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return "unknown processor"
}
