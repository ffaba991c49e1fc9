//go:build linux

package main

import (
	"syscall"
	"time"
)

// ownCPU returns the CPU time that this process has used, all its threads and
// so the garbage collector included.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // only wrong arguments can be refused
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
