//go:build linux

package main

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// The subjects, with the names that the tables show.
const (
	expressAlone = "Express alone"
	guard        = "guard"
	nginxLua     = "nginx with Lua"
	caddyAlone   = "Caddy alone"
	nginxAlone   = "nginx alone"
)

// backend is a server behind the proxies.
type backend string

const (
	express backend = "express" // Clerk's verifyWebhook
	fast    backend = "fast"    // reads the body and answers 200
)

var backends = []backend{express, fast}

// subject is one way to receive deliveries.
type subject struct {
	name      string
	process   *rig.Process       // the proxy, or the app if there is no proxy
	addresses map[backend]string // where it accepts deliveries for each backend
	refusal   int                // the status that a forgery gets
}

// testbed is everything that runs during a measurement.
type testbed struct {
	dir    string
	nginx  nginxFiles
	caddy  string // program
	placed placement

	backends map[backend]*rig.Process
	upstream map[backend]string // addresses of the backends
	subjects []subject
}

// newTestbed builds and starts everything, with dir for its files.
func newTestbed(dir, nginxFolder string, placed placement) (*testbed, error) {
	t := &testbed{
		dir:      dir,
		placed:   placed,
		backends: map[backend]*rig.Process{},
		upstream: map[backend]string{},
	}
	var err error
	if t.nginx, err = findNginx(nginxFolder); err != nil {
		return nil, err
	}
	if t.caddy, err = rig.BuildCaddy(dir); err != nil {
		return nil, err
	}
	for _, start := range []func() error{
		t.startBackends,
		func() error { return t.startCaddy(guard, http.StatusForbidden) },
		func() error { return t.startNginx(nginxLua, http.StatusForbidden) },
		func() error { return t.startCaddy(caddyAlone, http.StatusBadRequest) },
		func() error { return t.startNginx(nginxAlone, http.StatusBadRequest) },
	} {
		if err := start(); err != nil {
			t.stop()
			return nil, err
		}
	}
	return t, nil
}

// stop ends all processes, the proxies before their backends.
func (t *testbed) stop() {
	for _, s := range t.subjects {
		if s.name != expressAlone {
			s.process.Stop()
		}
	}
	for _, p := range t.backends {
		p.Stop()
	}
}

func (t *testbed) startBackends() error {
	const ready = "app listens on "
	app := on(t.placed.servers, "node", "bench/peers/app/server.js")
	app.Env = append(os.Environ(), "NODE_ENV=production", "CLERK_WEBHOOK_SIGNING_SECRET="+rig.Secret)
	process, line, err := rig.Start(app, ready)
	if err != nil {
		return err
	}
	t.backends[express], t.upstream[express] = process, strings.TrimPrefix(line, ready)
	alone := map[backend]string{express: t.upstream[express]}
	t.subjects = append(t.subjects, subject{expressAlone, process, alone, http.StatusBadRequest})

	t.backends[fast], t.upstream[fast], err = rig.StartUpstream()
	return err
}

// startCaddy starts a Caddy with a site for each backend.
func (t *testbed) startCaddy(name string, refusal int) error {
	addresses, err := t.newAddresses()
	if err != nil {
		return err
	}
	var config strings.Builder
	fmt.Fprintf(&config, "{\n\tadmin off\n\tpersist_config off\n\tskip_install_trust\n\tauto_https off\n\tstorage file_system %q\n}\n",
		filepath.Join(t.dir, name))
	for _, b := range backends {
		host, port, _ := strings.Cut(addresses[b], ":")
		fmt.Fprintf(&config, "\nhttp://:%s {\n\tbind %s\n", port, host)
		if name == guard {
			fmt.Fprintln(&config, "\tclerk_webhook")
		}
		fmt.Fprintf(&config, "\treverse_proxy %s\n}\n", t.upstream[b])
	}
	file := filepath.Join(t.dir, name+".Caddyfile")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return err
	}
	command := on(t.placed.servers, t.caddy, "run", "--config", file, "--adapter", "caddyfile")
	command.Env = append(os.Environ(),
		fmt.Sprintf("GOMAXPROCS=%d", len(t.placed.servers)), "CLERK_WEBHOOK_SIGNING_SECRET="+rig.Secret)
	process, _, err := rig.Start(command, "serving initial configuration")
	if err != nil {
		return err
	}
	t.subjects = append(t.subjects, subject{name, process, addresses, refusal})
	return nil
}

func (t *testbed) newAddresses() (map[backend]string, error) {
	free, err := loopback.FreeAddresses(len(backends))
	if err != nil {
		return nil, err
	}
	addresses := map[backend]string{}
	for i, b := range backends {
		addresses[b] = free[i]
	}
	return addresses, nil
}

// environment describes the machine and the versions.
func (t *testbed) environment(o options) environment {
	return environment{
		Processor:   rig.ProcessorName(),
		Servers:     len(t.placed.servers),
		Senders:     len(t.placed.senders),
		Caddy:       said(t.caddy, "version"),
		Nginx:       strings.TrimPrefix(said(t.nginx.program, "-v"), "nginx version: "),
		Node:        said("node", "--version"),
		Go:          said("go", "env", "GOVERSION"),
		Rounds:      o.rounds,
		Seconds:     o.turn.Seconds(),
		Connections: o.connections,
	}
}

// said returns the first word or words of a program's version output.
func said(program string, args ...string) string {
	output, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(output), "\n")
	line, _, _ = strings.Cut(line, " h1:") // Caddy's hash
	return line
}
