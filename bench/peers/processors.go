//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
)

// ownProcessors returns the processors that this process may use.
func ownProcessors() ([]int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return nil, err
	}
	return parseProcessors(string(status))
}

// placement says which processors run the servers, and which run the senders.
type placement struct{ servers, senders []int }

func (p placement) String() string {
	if slices.Equal(p.servers, p.senders) {
		return fmt.Sprintf("%d for both", len(p.servers))
	}
	return fmt.Sprintf("%d for the servers, %d for the senders", len(p.servers), len(p.senders))
}

// divide gives this many processors to the servers, or half of them for 0. The
// senders get the rest. If none are left, both share all.
func divide(all []int, wanted int) placement {
	if wanted == 0 {
		wanted = max(1, len(all)/2)
	}
	if wanted >= len(all) {
		return shared(all)
	}
	return placement{all[:wanted], all[wanted:]}
}

// shared lets servers and senders run on all processors.
func shared(all []int) placement { return placement{all, all} }

// parseProcessors reads the processors that a process may use from the content
// of its /proc/PID/status.
func parseProcessors(status string) (all []int, err error) {
	_, list, found := strings.Cut(status, "\nCpus_allowed_list:")
	if !found {
		return nil, errors.New("/proc/PID/status has no Cpus_allowed_list")
	}
	list, _, _ = strings.Cut(list, "\n")
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		from, to, isRange := strings.Cut(part, "-")
		if !isRange {
			to = from
		}
		first, err := strconv.Atoi(from)
		if err != nil {
			return nil, err
		}
		last, err := strconv.Atoi(to)
		if err != nil {
			return nil, err
		}
		for n := first; n <= last; n++ {
			all = append(all, n)
		}
	}
	return all, nil
}

// on lets a command run only on these processors.
func on(processors []int, command ...string) *exec.Cmd {
	return exec.Command("taskset", append([]string{"-c", listOf(processors)}, command...)...)
}

// pinSelf keeps all threads of this process on these processors.
func pinSelf(processors []int) error {
	command := exec.Command("taskset", "-a", "-p", "-c", listOf(processors), strconv.Itoa(os.Getpid()))
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	return nil
}

func listOf(processors []int) string {
	var list []string
	for _, n := range processors {
		list = append(list, strconv.Itoa(n))
	}
	return strings.Join(list, ",")
}
