//go:build unix

package command_test

import (
	"os/exec"
	"syscall"
)

// mostMemory returns the memory that a command took which has ended, in KiB.
func mostMemory(cmd *exec.Cmd) int64 {
	return cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss
}
