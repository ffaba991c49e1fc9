//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

const (
	secretA     = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	secretB     = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	otherSecret = "whsec_c29tZWJvZHktZWxzZS1zaWduZWQtd2l0aC10aGlz"

	bodyTimeout = 2 * time.Second
)

// caddy is a Caddy built from this checkout, in its own process.
type caddy struct {
	command                          *exec.Cmd
	admin, site, inspector, upstream string // addresses
	storage                          string

	generation, reloads, limits atomic.Int64
	exited                      chan struct{}

	mu     sync.Mutex
	faults []error
}

func startCaddy(dir string, o options, upstream string) (*caddy, error) {
	program := filepath.Join(dir, "caddy")
	arguments := []string{"build", "-o", program}
	if o.race {
		arguments = append(arguments, "-race")
	}
	if said, err := exec.Command("go", append(arguments, "./cmd/caddy")...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building Caddy: %w\n%s", err, said)
	}
	addresses, err := loopback.FreeAddresses(3)
	if err != nil {
		return nil, err
	}
	c := &caddy{
		admin: addresses[0], site: addresses[1], inspector: addresses[2], upstream: upstream,
		storage: filepath.Join(dir, "storage"), exited: make(chan struct{}),
	}
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, []byte(c.caddyfile()), 0o600); err != nil {
		return nil, err
	}
	c.command = exec.Command(program, "run", "--config", config)
	c.command.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return c, c.start(filepath.Join(o.out, "caddy.log"))
}

// start returns when Caddy serves. From then on, its log goes to a file and is
// inspected.
func (c *caddy) start(logFile string) error {
	file, err := os.Create(logFile)
	if err != nil {
		return err
	}
	output, err := c.command.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.command.Start(); err != nil {
		return err
	}
	serving := make(chan struct{})
	go func() {
		defer close(c.exited)
		defer file.Close()
		lines := bufio.NewReader(output)
		for {
			line, err := lines.ReadString('\n')
			_, _ = file.WriteString(line)
			c.inspectLine(line)
			if serving != nil && strings.Contains(line, "serving initial configuration") {
				close(serving)
				serving = nil
			}
			if err != nil {
				return
			}
		}
	}()
	select {
	case <-serving:
		return nil
	case <-c.exited:
		return fmt.Errorf("caddy did not start: see %s", logFile)
	}
}

// inspectLine records lines that report a fault of the program itself.
func (c *caddy) inspectLine(line string) {
	for _, sign := range []string{"panic", "DATA RACE", "fatal error", "concurrent map"} {
		if strings.Contains(line, sign) {
			c.fault(fmt.Errorf("caddy's log: %.300s", line))
			return
		}
	}
}

func (c *caddy) fault(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.faults) < 20 {
		c.faults = append(c.faults, err)
	}
}

func (c *caddy) judge() error {
	select {
	case <-c.exited:
		c.fault(errors.New("caddy has ended by itself"))
	default:
	}
	if c.reloads.Load() < 3 || c.limits.Load() == 0 {
		c.fault(errors.New("there were hardly any reloads and full disks: the run proves little"))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.faults...)
}

func (c *caddy) stop() {
	c.limitFiles("unlimited")
	_ = c.command.Process.Signal(os.Interrupt)
	select {
	case <-c.exited:
	case <-time.After(20 * time.Second):
		_ = c.command.Process.Kill()
	}
	_ = c.command.Wait()
}

// caddyfile returns the configuration of this generation. Consecutive
// generations have different options.
func (c *caddy) caddyfile() string {
	g := c.generation.Add(1)
	secrets := []string{"secret a " + secretA, "secret b " + secretB}
	if g%2 == 0 {
		secrets[0], secrets[1] = secrets[1], secrets[0]
	}
	events := []string{"", "events *", "events user.* organization*"}[g%3]
	return fmt.Sprintf(`{
	admin %s
	persist_config off
	skip_install_trust
	auto_https off
	default_bind 127.0.0.1
	grace_period 5s
	metrics
	storage file_system %q
}
http://%s {
	clerk_webhook /hooks* {
		name soak
		%s
		%s
		%s
		tolerance %dm
		max_body %dKiB
		body_timeout %s
		deduplicate %ds storage
		inspect
	}
	reverse_proxy %s {
		header_up Generation %d
		transport http {
			keepalive 5s # an old configuration's connections end with it
		}
	}
}
http://%s {
	clerk_webhook_inspector
}
`, c.admin, c.storage, c.site, secrets[0], secrets[1], events, 5+g%2, 256+g%3, bodyTimeout, 300+60*(g%2), c.upstream, g, c.inspector)
}

// reload loads the next generation through Caddy's admin API.
func (c *caddy) reload(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+c.admin+"/load", strings.NewReader(c.caddyfile()))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "text/caddyfile")
	res, err := oneRequest.Do(r)
	if err != nil {
		return fmt.Errorf("reloading: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(res.Body)
		return fmt.Errorf("reloading: %s: %s", res.Status, text)
	}
	c.reloads.Add(1)
	return nil
}

func (c *caddy) mustReload(ctx context.Context) {
	if err := c.reload(ctx); err != nil && ctx.Err() == nil {
		c.fault(err)
	}
}

// limitFiles sets how large a file Caddy may write. At 0, every write to a file
// fails, as on a full disk. Caddy can still open, read and remove files. Unlike
// mounting a small disk, this needs no root. The error is EFBIG instead of
// ENOSPC.
func (c *caddy) limitFiles(size string) {
	command := exec.Command("prlimit", "--pid", fmt.Sprint(c.command.Process.Pid), "--fsize="+size+":unlimited")
	if said, err := command.CombinedOutput(); err != nil {
		select {
		case <-c.exited:
		default:
			c.fault(fmt.Errorf("%s: %w: %s", command, err, said))
		}
		return
	}
	if size == "0" {
		c.limits.Add(1)
	}
}

// oneRequest makes each request on its own connection and closes it after the
// request.
var oneRequest = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
