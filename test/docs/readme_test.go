package docs_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/fcgi"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy/fastcgi"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// block is a fenced block of code in the documentation.
type block struct {
	file, heading, language, text string
	line                          int
}

func (b block) String() string { return fmt.Sprintf("%s:%d %s", b.file, b.line, b.heading) }

// documentation returns all blocks of README.md and docs.
func documentation(t testing.TB) []block {
	t.Helper()
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var blocks []block
	for _, file := range append([]string{"README.md"}, files...) {
		blocks = append(blocks, blocksOf(t, file)...)
	}
	return blocks
}

func blocksOf(t testing.TB, file string) []block {
	t.Helper()
	var (
		blocks  []block
		heading string
		open    *block
		number  int
	)
	for line := range strings.Lines(testcaddy.ReadFile(t, file)) {
		number++
		language, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			open = &block{file: file, heading: heading, language: strings.TrimSpace(language), line: number}
		case isFence:
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		case strings.HasPrefix(line, "#"):
			heading = strings.TrimSpace(strings.TrimLeft(line, "#"))
		}
	}
	if open != nil {
		t.Fatalf("%v is not closed", *open)
	}
	return blocks
}

func TestDocumentationBlocks(t *testing.T) {
	for _, b := range documentation(t) {
		t.Run(b.String(), func(t *testing.T) {
			if b.file == "docs/backfill.md" { // which needs Clerk's API
				checkIsRunBy(t, "internal/command/backfill_docs_test.go", b.file)
				return
			}
			switch b.language {
			case "text": // a picture
			case "caddyfile":
				checkCaddyfile(t, b)
			case "json":
				checkJSON(t, b)
			case "http":
				checkHTTP(t, b)
			case "sql":
				checkSQLIsRun(t)
			case "sh", "dockerfile":
				checkCommands(t, b)
			default:
				t.Errorf("nothing is known about blocks of the language %q", b.language)
			}
		})
	}
}

// documentedSecrets are the values of the variables that the documentation
// uses; any other one is missing when its configuration is loaded.
var documentedSecrets = map[string]string{
	"CLERK_WEBHOOK_SIGNING_SECRET":  testcaddy.Secret,
	"CLERK_WEBHOOK_PREVIOUS_SECRET": testcaddy.OtherSecret,
	"CLERK_PRODUCTION_SECRET":       testcaddy.Secret,
	"CLERK_STAGING_SECRET":          testcaddy.OtherSecret,
	"OTEL_TRACES_EXPORTER":          "none",                                                         // unless a test has a collector
	"INSPECTOR_PASSWORD_HASH":       "$2a$04$sV6ozvjFV5jzMtRLTxPs2e5lUM7Jy10scXNis7wrx.XV2tf1dZ1Ge", // of "sesame", at the lowest cost
}

const unknownSecret = "whsec_dW5rbm93bi11bmtub3duLXVua25vd24="

// promise is what the documentation lets the reader expect of a configuration.
type promise struct {
	name    string
	method  string // "" is POST
	path    string // "" is /api/webhooks
	id      string // "" is msg_1
	secret  string // "" signs with testSecret
	body    string // "" is userCreated
	status  int
	backend string // where it arrives, or "" for nowhere
}

// strictly is what a site with clerk_webhook_strict does.
var strictly = []promise{
	{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
	{name: "forged ones do not", secret: unknownSecret, status: 403},
	{name: "other pages go on", method: http.MethodGet, path: "/a.b/..c", status: 200, backend: "localhost:3000"},
	{name: "paths that look like the guarded one do not", path: "/index.php/api/webhooks", status: 400},
}

// promises are those of each Caddyfile in the documentation, by the heading
// above it.
var promises = map[string][]promise{
	"In production": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
		{name: "a slash at the end is no way around", path: "/api/webhooks/", secret: unknownSecret, status: 403},
		{name: "nor are capitals", path: "/API/Webhooks", secret: unknownSecret, status: 403},
		{name: "nor is a doubled slash", path: "/api//webhooks", secret: unknownSecret, status: 403},
		{name: "nor is an escaped slash", path: "/api%2Fwebhooks", secret: unknownSecret, status: 403},
		{name: "nor is another method", method: http.MethodPut, status: 405},
		{name: "the rest of the site is not guarded", method: http.MethodGet, path: "/", status: 200, backend: "localhost:3000"},
	},
	"The inspector": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Inspector": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
		{name: "a password is asked for", method: http.MethodGet, path: "/inspect/", status: 401},
	},
	"Options": {
		{name: "wanted events go on", status: 200, backend: "localhost:3000"},
		{name: "others are acknowledged", body: `{"type":"organization.deleted"}`, status: 204},
		{name: "report_only lets forgeries through", secret: unknownSecret, status: 200, backend: "localhost:3000"},
	},
	"Routing event types to different upstreams": {
		{name: "users", status: 200, backend: "localhost:3000"},
		{name: "organizations", body: `{"type":"organization.created"}`, status: 200, backend: "localhost:4000"},
		{name: "memberships", body: `{"type":"organizationMembership.created"}`, status: 200, backend: "localhost:4000"},
		{name: "the rest", body: `{"type":"session.created"}`, status: 204},
		{name: "forged users", secret: unknownSecret, status: 403},
	},
	"Several environments on one URL": {
		{name: "production", status: 200, backend: "localhost:3000"},
		{name: "staging", secret: testcaddy.OtherSecret, status: 200, backend: "localhost:4000"},
		{name: "neither", secret: unknownSecret, status: 403},
	},
	"Each delivery once": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Rotating a secret": {
		{name: "current", status: 200, backend: "localhost:3000"},
		{name: "previous", id: "msg_2", secret: testcaddy.OtherSecret, status: 200, backend: "localhost:3000"},
		{name: "neither", secret: unknownSecret, status: 403},
	},
	"Secrets in rotation": {
		{name: "current", status: 200, backend: "localhost:3000"},
		{name: "the same event, signed with the previous one", secret: testcaddy.OtherSecret, status: 200},
		{name: "previous", id: "msg_2", secret: testcaddy.OtherSecret, status: 200, backend: "localhost:3000"},
		{name: "neither", secret: unknownSecret, status: 403},
	},
	"Secrets from files": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Watching before enforcing": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones too", secret: unknownSecret, status: 200, backend: "localhost:3000"},
		{name: "other methods too", method: http.MethodPut, status: 200, backend: "localhost:3000"},
	},
	"Allowing only Svix's addresses": {
		{name: "a genuine delivery from this machine", status: 403},
	},
	"A backend for webhooks only": {
		{name: "genuine deliveries go to it", status: 200, backend: "localhost:4000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
		{name: "the rest goes elsewhere", method: http.MethodGet, path: "/", status: 200, backend: "localhost:3000"},
	},
	"A header that only Caddy sets": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Traces with OpenTelemetry": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Fields in the access log": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"The reason in Clerk's message attempts": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"The rest of the site, strictly": strictly,
	"The rest of the site":           strictly,
	"Listeners answer": {
		{name: "nobody listens", status: 503},
		{name: "forged ones are refused all the same", secret: unknownSecret, status: 403},
	},
	"Listeners get copies": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
		{name: "forged ones do not", secret: unknownSecret, status: 403},
	},
	"Keeping signatures out of logs": {
		{name: "genuine deliveries go on", status: 200, backend: "localhost:3000"},
	},
}

// checkCaddyfile runs a configuration, with addresses that are free, and sends
// what its promises say.
func checkCaddyfile(t *testing.T, b block) {
	if b.heading == "The stores" {
		checkStores(t, b.text)
		return
	}
	expected, ok := promises[b.heading]
	if !ok {
		t.Fatal("no promise says what it does")
	}
	if formatted := string(caddyfile.Format([]byte(b.text))); formatted != b.text {
		t.Errorf("caddy fmt would write\n%s", formatted)
	}
	s := newSite(t, b.text)
	s.run(t)
	for _, p := range expected {
		t.Run(p.name, func(t *testing.T) { s.keep(t, p) })
	}
}

// site is a configuration from the documentation, made to run here.
type site struct {
	options   string // the global ones
	caddyfile string
	url       string
	inspector string // its address, if there is one
	backends  map[string]*testcaddy.Backend
}

func newSite(t testing.TB, text string) *site {
	t.Helper()
	for name, secret := range documentedSecrets {
		t.Setenv(name, secret)
	}
	if strings.HasPrefix(text, "clerk_webhook") {
		text = "example.com {\n" + text + "reverse_proxy localhost:3000\n}\n"
	}
	address := testcaddy.FreeAddress(t)
	s := &site{
		caddyfile: testcaddy.Replace(t, text, "example.com", "http://"+address),
		url:       "http://" + address,
		inspector: testcaddy.FreeAddress(t),
		backends:  make(map[string]*testcaddy.Backend),
	}
	for _, upstream := range []string{"localhost:3000", "localhost:4000"} {
		s.backends[upstream] = testcaddy.NewBackend(t, nil)
		s.caddyfile = strings.ReplaceAll(s.caddyfile, upstream, s.backends[upstream].Address)
	}
	s.caddyfile = strings.ReplaceAll(s.caddyfile, "localhost:4040", s.inspector)
	s.caddyfile = strings.ReplaceAll(s.caddyfile, "bind 127.0.0.1 ::1", "bind 127.0.0.1") // as not every machine has IPv6
	s.caddyfile = strings.ReplaceAll(s.caddyfile, "/run/secrets/clerk_webhook", secretFile(t))
	s.caddyfile = strings.ReplaceAll(s.caddyfile, "log {\n", "log {\noutput clerk_webhook_test\n")
	if text, hasOptions := strings.CutPrefix(s.caddyfile, "{\n"); hasOptions {
		s.options, s.caddyfile, _ = strings.Cut(text, "\n}\n")
	}
	return s
}

func (s *site) run(t testing.TB) {
	t.Helper()
	testcaddy.Run(t, s.caddyfile, s.options)
}

// secretFile returns the name of a file with a secret and the line break that
// editors put at its end.
func secretFile(t testing.TB) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(testcaddy.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func (s *site) request(t testing.TB, p promise) *http.Request {
	t.Helper()
	id, secret, body := valueOr(p.id, "msg_1"), valueOr(p.secret, testcaddy.Secret), valueOr(p.body, testcaddy.UserCreated)
	r := testcaddy.SignedRequest(t, s.url+valueOr(p.path, "/api/webhooks"), secret, body)
	timestamp, signature := testcaddy.Sign(t, secret, id, time.Now(), body)
	r.Header.Set("Svix-Id", id)
	r.Header.Set("Svix-Timestamp", timestamp)
	r.Header.Set("Svix-Signature", signature)
	r.Method = valueOr(p.method, http.MethodPost)
	return r
}

func (s *site) keep(t testing.TB, p promise) {
	t.Helper()
	if a := testcaddy.Send(t, http.DefaultClient, s.request(t, p)); a.StatusCode != p.status {
		t.Errorf("got status %d, want %d", a.StatusCode, p.status)
	}
	for upstream, b := range s.backends {
		if upstream != p.backend {
			testcaddy.WantNothing(t, b)
			continue
		}
		if got := string(testcaddy.OnlyRequest(t, b).Payload); got != valueOr(p.body, testcaddy.UserCreated) {
			t.Errorf("the backend got %q", got)
		}
	}
}

func valueOr(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// blockUnder returns the only Caddyfile below a heading.
func blockUnder(t testing.TB, heading string) block {
	t.Helper()
	for _, b := range documentation(t) {
		if b.heading == heading && b.language == "caddyfile" {
			return b
		}
	}
	t.Fatalf("no Caddyfile below %q", heading)
	return block{}
}

func TestDocumentedAddressListLetsListedSendersIn(t *testing.T) {
	b := blockUnder(t, "Allowing only Svix's addresses")
	s := newSite(t, testcaddy.Replace(t, b.text, "52.215.16.239", "127.0.0.1"))
	s.run(t)
	s.keep(t, promise{status: 200, backend: "localhost:3000"})
	s.keep(t, promise{secret: unknownSecret, status: 403})
}

func TestDocumentedInspectorShowsDeliveries(t *testing.T) {
	s := newSite(t, blockUnder(t, "The inspector").text)
	s.run(t)
	s.keep(t, promise{status: 200, backend: "localhost:3000"})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.inspector+"/api/entries", nil)
	if err != nil {
		t.Fatal(err)
	}
	var list struct {
		Entries []struct {
			Type, Outcome string
			Status        int
		}
	}
	a := testcaddy.Send(t, http.DefaultClient, r)
	if err := json.Unmarshal([]byte(a.Text), &list); err != nil || len(list.Entries) != 1 {
		t.Fatalf("%v: %s", err, a.Text)
	}
	if e := list.Entries[0]; e.Type != "user.created" || e.Outcome != "forwarded" || e.Status != http.StatusOK {
		t.Errorf("the inspector has %+v", e)
	}
}

func TestDocumentedInspectorBelowAPath(t *testing.T) {
	s := newSite(t, blockUnder(t, "Inspector").text)
	s.run(t)
	for path, content := range map[string]string{"/inspect/": "<!doctype html>", "/inspect/api/status": `{"run":`} {
		r := s.request(t, promise{method: http.MethodGet, path: path})
		r.Header.Set("X-Forwarded-For", "192.0.2.1") // by a proxy, for another machine
		r.SetBasicAuth("admin", "sesame")
		if a := testcaddy.Send(t, http.DefaultClient, r); a.StatusCode != http.StatusOK || !strings.HasPrefix(a.Text, content) {
			t.Errorf("%s: %d %.100q", path, a.StatusCode, a.Text)
		}
	}
}

// Where the backend fails, Caddy logs the request once more, as an error.
func TestDocumentedLogsHaveNoSignature(t *testing.T) {
	for name, logged := range map[string][]string{"genuine": {"handled request"}, "failing": {"handled request", "http.log.error"}} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, blockUnder(t, "Keeping signatures out of logs").text)
			if name == "failing" {
				s.caddyfile = testcaddy.Replace(t, s.caddyfile, s.backends["localhost:3000"].Address, testcaddy.FreeAddress(t))
			}
			s.run(t)
			r := s.request(t, promise{})
			r.Header.Set("Webhook-Signature", r.Header.Get("Svix-Signature"))
			testcaddy.Send(t, http.DefaultClient, r)

			for _, text := range logged {
				testcaddy.Log.WaitFor(t, text)
			}
			text := testcaddy.Log.String()
			if got := strings.Count(text, "Svix-Id"); got != len(logged) || strings.Contains(text, "-Signature") {
				t.Errorf("want %d requests without signatures in the log, got\n%s", len(logged), text)
			}
		})
	}
}

// The FastCGI transport logs the environment of PHP, which has all headers.
func TestDocumentedLogsOfPHPHaveNoSignature(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() { _ = fcgi.Serve(ln, http.NotFoundHandler()) }() // until ln is closed
	s := newSite(t, blockUnder(t, "Keeping signatures out of logs").text)
	s.caddyfile = testcaddy.Replace(t, s.caddyfile, s.backends["localhost:3000"].Address, ln.Addr().String()+" {\ntransport fastcgi\n}")
	s.options += "\ndebug"
	s.run(t)
	r := s.request(t, promise{})
	r.Header.Set("Webhook-Signature", r.Header.Get("Svix-Signature"))
	testcaddy.Send(t, http.DefaultClient, r)
	testcaddy.Log.WaitFor(t, "handled request")
	text := testcaddy.Log.String()
	if !strings.Contains(text, "HTTP_SVIX_ID") || strings.Contains(text, "_SIGNATURE") || strings.Contains(text, "-Signature") {
		t.Errorf("want an environment without signatures in the log, got\n%s", text)
	}
}

// checkHTTP checks the form of a call; the tests of what answers make it.
func checkHTTP(t *testing.T, b block) {
	if !regexp.MustCompile(`^[A-Z]+ \S+\n`).MatchString(b.text) {
		t.Errorf("not a method and a path: %q", b.text)
	}
}

// checkSQLIsRun looks for the script that runs all SQL of the README in a real
// PostgreSQL, which this test cannot expect to find.
func checkSQLIsRun(t *testing.T) {
	if _, err := os.Stat("e2e/sql/run"); err != nil {
		t.Error(err)
	}
}

// checkJSON loads a handler in front of one that answers, and sends a delivery.
// What is no handler is an answer, whose tests are with what makes it.
func checkJSON(t *testing.T, b block) {
	var handler map[string]any
	if err := json.Unmarshal([]byte(b.text), &handler); err != nil {
		t.Fatal(err)
	}
	if _, ok := handler["handler"]; !ok {
		return
	}
	t.Setenv("CLERK_WEBHOOK_SIGNING_SECRET", testcaddy.Secret)
	address := testcaddy.FreeAddress(t)
	type object = map[string]any
	config, err := json.Marshal(object{
		"admin":   object{"disabled": true, "config": object{"persist": false}},
		"logging": object{"logs": object{"default": object{"writer": object{"output": "clerk_webhook_test"}}}},
		"storage": object{"module": "file_system", "root": testcaddy.StorageDir(t)}, // else the next run finds a duplicate
		"apps": object{"http": object{"servers": object{"test": object{
			"listen":          []string{address},
			"automatic_https": object{"disable": true},
			"routes":          []any{object{"handle": []any{handler, object{"handler": "static_response", "body": "{http.clerk_webhook.secret}"}}}},
		}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := testcaddy.TryRunJSON(t, config); err != nil {
		t.Fatal(err)
	}
	a := testcaddy.Send(t, http.DefaultClient, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	if a.StatusCode != 200 || a.Text != "production" {
		t.Errorf("got %d %q", a.StatusCode, a.Text)
	}
}

// checkCommands runs commands, or says why it does not.
func checkCommands(t *testing.T, b block) {
	switch b.heading {
	case "Try it":
		checkTry(t, b.text)
	case "Install":
		checkInstall(t, b)
	case "The stores":
		checkStoresAreBuilt(t, b.text)
	case "A secret that is text":
		checkTextSecret(t, b.text)
	case "Clerk's own relay":
		checkRelay(t, b.text)
	case "Performance":
		checkIsInCI(t, strings.TrimSpace(b.text)) // which runs a short form of it
	default:
		for line := range strings.Lines(b.text) {
			t.Run(line, func(t *testing.T) { checkLine(t, strings.TrimSpace(line)) })
		}
	}
}

var pinnedCaddy = regexp.MustCompile(`github.com/caddyserver/caddy/v2 v(\S+)`)

// checkInstall builds with the go command. It does not run xcaddy and Docker, which
// take minutes: .ci/run does, and this checks that the documentation has its very
// command, for the version of Caddy that is tested.
func checkInstall(t *testing.T, b block) {
	if strings.HasPrefix(b.text, "go build ") {
		checkBuild(t, b.text)
		return
	}
	version := pinnedCaddy.FindStringSubmatch(testcaddy.ReadFile(t, "go.mod"))[1]
	wanted := []string{"xcaddy build v" + version + " --with github.com/caddyclerk/caddy-clerk-webhook@v0.0.0="}
	if b.language == "dockerfile" {
		wanted = append(wanted, "FROM caddy:"+version+"-builder AS builder\n", "FROM caddy:"+version+"\n")
	} else {
		checkIsInCI(t, strings.TrimSpace(b.text))
	}
	for _, part := range wanted {
		if !strings.Contains(b.text, part) {
			t.Errorf("%q is not in it", part)
		}
	}
}

// checkBuild builds with the tag long. Without it, it runs the same program as "Try it"
// does: the go command keeps that one, so it does not link it again.
func checkBuild(t *testing.T, command string) {
	built := filepath.Join(t.TempDir(), "caddy")
	build := testcaddy.Replace(t, command, "-o caddy", "-o "+built)
	if !testcaddy.Long {
		built = testcaddy.Replace(t, strings.TrimSpace(command), "go build -o caddy ", "go run ")
	} else if output, code := testcaddy.RunLine(t, build); code != 0 {
		t.Fatalf("exit code %d: %s", code, output)
	}
	if output, _ := testcaddy.RunLine(t, built+" list-modules"); !strings.Contains(output, "http.handlers.clerk_webhook\n") {
		t.Errorf("it built a Caddy without the plugin:\n%s", output)
	}
}

func checkIsRunBy(t testing.TB, test, file string) {
	t.Helper()
	if !strings.Contains(testcaddy.ReadFile(t, test), file) {
		t.Errorf("%s does not run the commands of %s", test, file)
	}
}

func checkIsInCI(t testing.TB, command string) {
	t.Helper()
	if !strings.Contains(testcaddy.ReadFile(t, ".ci/run"), "\t"+command) {
		t.Errorf(".ci/run does not run %q", command)
	}
}
