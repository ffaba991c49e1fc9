//go:build linux

package main

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

// process is a program that this command has started.
type process struct {
	command *exec.Cmd
	stdin   io.Closer // its end tells the upstream that this command is gone
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) stop() {
	_ = p.command.Process.Signal(os.Interrupt)
	_ = p.stdin.Close()
	_ = p.command.Wait()
}

// start runs a command until it writes a line that contains ready, which is
// returned.
func start(command *exec.Cmd, ready string) (*process, string, error) {
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
	p := &process{command, stdin}

	var said strings.Builder
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if strings.Contains(lines.Text(), ready) {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return p, lines.Text(), nil
		}
		fmt.Fprintln(&said, lines.Text())
	}
	p.stop()
	return nil, "", fmt.Errorf("%s ended before it was ready:\n%s", command, said.String())
}

const upstreamReady = "upstream listens on "

// startUpstream runs this command again as the backend, in a process of its own
// so that its CPU time is not Caddy's.
func startUpstream() (p *process, address string, err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	p, line, err := start(exec.Command(self, "-role", "upstream"), upstreamReady)
	return p, strings.TrimPrefix(line, upstreamReady), err
}

// serveUpstream reads every body and answers 200, until its standard input
// ends.
func serveUpstream(stdout io.Writer) error {
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

// testbed is a Caddy, built from this checkout, with four sites in one process,
// and the upstream behind three of them.
type testbed struct {
	caddy, upstream                        *process
	guarded, strict, bare, refusing, admin string // addresses
}

const caddyfile = `{
	admin %[1]s
	persist_config off
	skip_install_trust
	auto_https off
	storage file_system %[2]q
}

# guarded
http://%[3]s {
	clerk_webhook {
		secret %[4]s
	}
	reverse_proxy %[5]s
}

# strict
http://%[6]s {
	clerk_webhook {
		secret %[4]s
		max_body 1KiB
	}
	reverse_proxy %[5]s
}

# bare
http://%[7]s {
	reverse_proxy %[5]s
}

# refusing
http://%[8]s {
	error 400
}
`

// newTestbed builds and starts everything, with dir for its files.
func newTestbed(dir string) (*testbed, error) {
	program := filepath.Join(dir, "caddy")
	build := exec.Command("go", "build", "-o", program, "github.com/caddyclerk/caddy-clerk-webhook/cmd/caddy")
	if said, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building Caddy: %w\n%s", err, said)
	}
	addresses, err := freeAddresses(5)
	if err != nil {
		return nil, err
	}
	t := &testbed{guarded: addresses[0], strict: addresses[1], bare: addresses[2], refusing: addresses[3], admin: addresses[4]}

	upstream, upstreamAddress, err := startUpstream()
	if err != nil {
		return nil, err
	}
	t.upstream = upstream
	config := filepath.Join(dir, "Caddyfile")
	text := fmt.Sprintf(caddyfile, t.admin, filepath.Join(dir, "storage"), t.guarded, secret, upstreamAddress,
		t.strict, t.bare, t.refusing)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.stop()
		return nil, err
	}
	if t.caddy, _, err = start(exec.Command(program, "run", "--config", config), "serving initial configuration"); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *testbed) stop() {
	for _, p := range []*process{t.caddy, t.upstream} {
		if p != nil {
			p.stop()
		}
	}
}

// freeAddresses returns loopback addresses on which nothing listens.
func freeAddresses(n int) (addresses []string, err error) {
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer listener.Close()
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses, nil
}

// saveProfile writes what Caddy's admin endpoint answers for one of its
// profiles, for example "profile?seconds=2", which takes that long.
func (t *testbed) saveProfile(profile, file string) error {
	res, err := http.Get("http://" + t.admin + "/debug/pprof/" + profile)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", res.Status)
	}
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}
