//go:build linux

package main

import (
	"syscall"
	"time"
)

// ownCPU returns the CPU time that all threads of this process have used. It
// includes the garbage collector.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err) // fails only if the arguments are wrong
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
