package backfill

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// needed returns a variable that ./run sets.
func needed(t *testing.T, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: start the tests with ./run", name)
	}
	return value
}

// start starts a server and returns when it has printed that it is ready.
func start(t *testing.T, cmd *exec.Cmd, ready string) {
	t.Helper()
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr // the same pipe
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var drained sync.WaitGroup
	isReady := make(chan bool, 1)
	drained.Go(func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), ready) {
				isReady <- true
				break
			}
		}
		_, _ = io.Copy(io.Discard, out)
		close(isReady)
	})
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		drained.Wait()
		_ = cmd.Wait()
	})
	if !<-isReady {
		t.Fatalf("%s has ended", cmd.Path)
	}
}

// postgres is the cluster that ./run has made.
type postgres struct{ bin, directory string }

func startPostgres(t *testing.T) *postgres {
	p := &postgres{needed(t, "PG_BIN"), needed(t, "PG_DIRECTORY")}
	p.control(t, "start")
	t.Cleanup(func() { p.control(t, "stop") })
	return p
}

func (p *postgres) control(t *testing.T, action string) {
	t.Helper()
	args := []string{"-D", p.directory + "/db", "-w", action}
	if action == "start" {
		args = append(args, "-l", p.directory+"/log", "-o", "-c listen_addresses= -k "+p.directory)
	} else {
		args = append(args, "-m", "fast")
	}
	cmd := exec.Command(p.bin+"/pg_ctl", args...)
	var data syscall.Stat_t
	if err := syscall.Stat(p.directory+"/db", &data); err != nil {
		t.Fatal(err)
	}
	if int(data.Uid) != os.Getuid() { // it refuses to run as root
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: data.Uid, Gid: data.Gid}}
	}
	if err := cmd.Run(); err != nil {
		t.Errorf("pg_ctl %s: %v", action, err)
	}
}

// query returns the lines of a result.
func (p *postgres) query(t *testing.T, text string) []string {
	t.Helper()
	out, err := exec.Command(p.bin+"/psql", "-h", p.directory, "-U", "app", "-d", "postgres", "-v", "ON_ERROR_STOP=1", "-qAt", "-c", text).Output()
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return slices.DeleteFunc(strings.Split(string(out), "\n"), func(line string) bool { return line == "" })
}

func (p *postgres) env() []string {
	return []string{"PGHOST=" + p.directory, "PGUSER=app", "PGDATABASE=postgres"}
}

// site is a guard in front of the application of examples/user-sync.
type site struct {
	endpoint, metrics string
}

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

func startSite(t *testing.T, p *postgres) *site {
	t.Helper()
	addresses, err := loopback.FreeAddresses(3)
	if err != nil {
		t.Fatal(err)
	}
	example, err := filepath.Abs("../../examples/user-sync")
	if err != nil {
		t.Fatal(err)
	}
	port := func(n int) string { return addresses[n][strings.LastIndex(addresses[n], ":")+1:] }
	signing := []string{"CLERK_WEBHOOK_SIGNING_SECRET=" + secret, "CLERK_WEBHOOK_PREVIOUS_SECRET=" + secret}

	app := exec.Command("node", "server.js")
	app.Dir = example + "/app"
	app.Env = append(append(append(os.Environ(), p.env()...), signing...), "PORT="+port(0))
	start(t, app, "listening on")

	home := t.TempDir()
	guard := exec.Command(needed(t, "CADDY"), "run", "--config", example+"/Caddyfile")
	guard.Env = append(append(os.Environ(), signing...), "APP="+addresses[0], "SITE_ADDRESS=:"+port(1), "METRICS_PORT="+port(2),
		"XDG_DATA_HOME="+home+"/data", "XDG_CONFIG_HOME="+home+"/config", "CADDY_ADMIN=unix/"+home+"/admin")
	start(t, guard, "serving initial configuration")
	return &site{endpoint: "http://" + addresses[1] + "/api/webhooks", metrics: "http://" + addresses[2] + "/metrics"}
}

var deliveries = regexp.MustCompile(`(?m)^caddy_clerk_webhook_deliveries_total\{(.*)\} (\S+)$`)

// count returns how many deliveries had this outcome.
func (s *site) count(t *testing.T, outcome string) (n int) {
	t.Helper()
	res, err := http.Get(s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range deliveries.FindAllStringSubmatch(string(text), -1) {
		if strings.Contains(match[1], fmt.Sprintf("outcome=%q", outcome)) {
			value, _ := strconv.ParseFloat(match[2], 64)
			n += int(value)
		}
	}
	return n
}
