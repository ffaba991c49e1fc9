//go:build linux

package rig

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestStatIsCountedFromTheEndOfTheName(t *testing.T) {
	stat := "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 250 50 7 7 20 0 1 0 100 1000 10 0\n"
	if got, err := parseStat([]byte(stat)); err != nil || got != 3*time.Second {
		t.Errorf("got %v, %v, want 3 s", got, err)
	}
	if _, err := parseStat([]byte("42 (a) S 1")); err == nil {
		t.Error("too few fields are no error")
	}
}

func TestRollupTellsTheProportionalSize(t *testing.T) {
	rollup := "557ee30b4000-7ffd89afa000 ---p 00000000 00:00 0    [rollup]\nRss:    1620 kB\nPss:     275 kB\nPss_Dirty:  116 kB\n"
	if got, err := parseRollup(rollup); err != nil || got != 275<<10 {
		t.Errorf("got %v, %v, want 275 KiB", got, err)
	}
	if _, err := parseRollup("Rss: 1620 kB\n"); err == nil {
		t.Error("a rollup without Pss is no error")
	}
}

func TestChildrenBelongToTheFamily(t *testing.T) {
	parent, said, err := Start(exec.Command("sh", "-c", "sleep 60 & echo child $!; wait"), "child")
	if err != nil {
		t.Fatal(err)
	}
	defer parent.Stop()
	child, err := strconv.Atoi(strings.TrimPrefix(said, "child "))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Kill(child, syscall.SIGKILL) }()

	if family, err := familyOf(parent.PID()); err != nil || !slices.Equal(family, []int{parent.PID(), child}) {
		t.Errorf("got %v, %v, want %d and %d", family, err, parent.PID(), child)
	}
	both, err := MemoryOf(parent.PID())
	if err != nil {
		t.Fatal(err)
	}
	if alone, err := MemoryOf(child); err != nil || alone == 0 || both <= alone {
		t.Errorf("the child occupies %d bytes, both %d, %v", alone, both, err)
	}
	if _, err := CPUOf(parent.PID()); err != nil {
		t.Error(err)
	}
}
