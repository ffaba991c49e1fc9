//go:build linux

package rig

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Process is a program that this command has started.
type Process struct {
	command *exec.Cmd
	stdin   io.Closer // when it ends, the upstream knows that this command has ended
}

// PID returns the process's id.
func (p *Process) PID() int { return p.command.Process.Pid }

// Stop asks the process to end and waits for it.
func (p *Process) Stop() {
	_ = p.command.Process.Signal(os.Interrupt)
	_ = p.stdin.Close()
	_ = p.command.Wait()
}

// Start starts a command and waits for a line that contains ready. It returns
// that line.
func Start(command *exec.Cmd, ready string) (*Process, string, error) {
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, "", err
	}
	output, err := command.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	command.Stderr = command.Stdout
	if err := command.Start(); err != nil {
		return nil, "", err
	}
	p := &Process{command, stdin}

	var said strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ready) {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return p, lines.Text(), nil
		}
		fmt.Fprintln(&said, lines.Text())
	}
	p.Stop()
	return nil, "", fmt.Errorf("%s ended before it was ready:\n%s", command, said.String())
}

const upstreamReady = "upstream listens on "

// StartUpstream runs this command again as the backend, with -role upstream. It
// is a separate process, so its CPU time does not count as the proxy's.
func StartUpstream() (p *Process, address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p, line, err := Start(exec.Command(self, "-role", "upstream"), upstreamReady)
	return p, strings.TrimPrefix(line, upstreamReady), err
}

// ServeUpstream reads every body and answers 200, until its standard input
// ends.
func ServeUpstream(stdout io.Writer) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, upstreamReady+listener.Addr().String())
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}),
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		_ = server.Close()
	}()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// BuildCaddy builds a Caddy with the guard from this checkout into dir and
// returns its path.
func BuildCaddy(dir string) (string, error) {
	program := filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-o", program, "github.com/caddyclerk/caddy-clerk-webhook/cmd/caddy")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building Caddy: %w\n%s", err, said)
	}
	return program, nil
}
