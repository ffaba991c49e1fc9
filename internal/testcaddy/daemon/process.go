//go:build unix

// Package daemon starts the servers of Debian's packages redis-server and
// postgresql for tests. Each has a free port on the loopback interface and a
// directory of its own.
package daemon

import (
	"bytes"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// startTimeout is how long a server may take until it answers.
const startTimeout = 30 * time.Second

// process is a server that can be stopped and started again, with its data and on
// the same port.
type process struct {
	Address string // host and port
	command func() *exec.Cmd
	isReady func() error
	kill    syscall.Signal
	running *exec.Cmd
	ended   chan struct{} // closed when running has ended
}

func (p *process) port() string {
	_, port, _ := net.SplitHostPort(p.Address)
	return port
}

// Start starts the server and waits until it answers.
func (p *process) Start(t testing.TB) {
	t.Helper()
	cmd, ended := p.command(), make(chan struct{})
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", cmd.Path, err)
	}
	go func() {
		_ = cmd.Wait()
		close(ended)
	}()
	p.running, p.ended = cmd, ended
	deadline := time.After(startTimeout)
	for {
		err := p.isReady()
		if err == nil {
			return
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ended:
			t.Fatalf("%s has ended: %s", cmd.Path, &output)
		case <-deadline:
			t.Fatalf("%s does not answer: %v", cmd.Path, err)
		}
	}
}

// Stop lets the server end in good order.
func (p *process) Stop() { p.end(syscall.SIGINT) }

// Kill ends the server at once, so that it has to recover when it starts again.
func (p *process) Kill() { p.end(p.kill) }

func (p *process) end(signal syscall.Signal) {
	if p.running == nil {
		return
	}
	_ = p.running.Process.Signal(signal)
	<-p.ended
	p.running = nil
}

func freeAddress(t testing.TB) string {
	t.Helper()
	addresses, err := loopback.FreeAddresses(1)
	if err != nil {
		t.Fatal(err)
	}
	return addresses[0]
}

// StartSilent returns the address of a server that accepts connections and never
// answers. It ends with the test.
func StartSilent(t testing.TB) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return listener.Addr().String()
}
