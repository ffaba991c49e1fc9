//go:build linux

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// testbed is a Caddy, built from this checkout, with four sites in one process,
// and the upstream behind three of them.
type testbed struct {
	caddy, upstream                        *rig.Process
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
	program, err := rig.BuildCaddy(dir)
	if err != nil {
		return nil, err
	}
	addresses, err := loopback.FreeAddresses(5)
	if err != nil {
		return nil, err
	}
	t := &testbed{guarded: addresses[0], strict: addresses[1], bare: addresses[2], refusing: addresses[3], admin: addresses[4]}

	upstream, upstreamAddress, err := rig.StartUpstream()
	if err != nil {
		return nil, err
	}
	t.upstream = upstream
	config := filepath.Join(dir, "Caddyfile")
	text := fmt.Sprintf(caddyfile, t.admin, filepath.Join(dir, "storage"), t.guarded, rig.Secret, upstreamAddress,
		t.strict, t.bare, t.refusing)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.stop()
		return nil, err
	}
	if t.caddy, _, err = rig.Start(exec.Command(program, "run", "--config", config), "serving initial configuration"); err != nil {
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *testbed) stop() {
	for _, p := range []*rig.Process{t.caddy, t.upstream} {
		if p != nil {
			p.Stop()
		}
	}
}

// saveProfile saves a profile from Caddy's admin endpoint. For example,
// "profile?seconds=2" takes two seconds.
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
