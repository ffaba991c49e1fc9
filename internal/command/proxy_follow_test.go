package command_test

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// lastRow returns the last line that a proxy has printed, without its time and how
// long the delivery took.
func lastRow(t testing.TB, printed string) string {
	t.Helper()
	lines := strings.Split(strings.TrimRight(printed, "\n"), "\n")
	row := regexp.MustCompile(`^\d\d:\d\d:\d\d  (\d+|---)  +[0-9.]+[mµ]?s  (.*)$`).FindStringSubmatch(lines[len(lines)-1])
	if row == nil {
		t.Fatalf("no row at the end of\n%s", printed)
	}
	return row[1] + " " + row[2]
}

func TestProxyPrintsARowForEachDelivery(t *testing.T) {
	t.Parallel()
	answering := func(status int) string {
		backend := newRecorder(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		return strings.TrimPrefix(backend.URL, "http://")
	}
	to, failing := answering(200), answering(503)
	closed := testcaddy.FreeAddress(t)
	const who = `Nadia Okafor, nadia\.okafor\+\w+@example\.com`
	for _, tt := range []struct {
		name         string
		args         []string
		send         []string
		waitFor, row string
	}{
		{"a genuine delivery", []string{"--to", to}, []string{"user.created"}, "Nadia Okafor", `^200 user\.created          ` + who + `$`},
		{"a long type", []string{"--to", to}, []string{"subscriptionItem.freeTrialEnding"}, "Nadia Okafor", `^200 subscriptionItem\.freeTrialEnding  ` + who + `, Pro$`},
		{"several secrets", []string{"--to", to, "--secret", "live=" + otherSecret, "--secret", "test=" + sendSecret}, []string{"user.created"}, "Nadia Okafor", who + `  secret test$`},
		{"a wrong signature", []string{"--to", to}, []string{"user.created", "--invalid", "signature"}, "Nadia Okafor", `^403 rejected              signature_mismatch: it was not signed with the known secret, or something changed the body \(claims to be user\.created of ` + who + `\)$`},
		{"an old timestamp", []string{"--to", to}, []string{"user.created", "--invalid", "timestamp"}, "timestamp_too_old", `^403 rejected              timestamp_too_old: the timestamp is 10m\w* old, and 5m are allowed$`},
		{"a type that is not selected", []string{"--to", to, "--event", "session.*"}, []string{"user.created"}, "Nadia Okafor", `^204 user\.created          ` + who + `  filtered, as its type is not selected$`},
		{"a backend that fails", []string{"--to", failing}, []string{"user.created"}, "Nadia Okafor", `^503 user\.created          ` + who + `  YOUR BACKEND ANSWERED 503, so Svix would send it again$`},
		{"a backend that is not there", []string{"--to", closed}, []string{"user.created"}, "Nadia Okafor", `^502 user\.created          ` + who + `  YOUR BACKEND FAILED: dial tcp .*connection refused$`},
	} {
		for _, inspect := range []string{"--inspect=off", "--inspect"} {
			t.Run(tt.name+" "+inspect, func(t *testing.T) {
				t.Parallel()
				args := append(slices.Clone(tt.args), inspect)
				if inspect == "--inspect" {
					args = append(args, testcaddy.FreeAddress(t))
				}
				p := startProxy(t, secretVariables, args...)
				send(t, append(tt.send, "--to", p.url+"/api/webhooks")...)
				p.stdout.WaitFor(t, tt.waitFor)
				if row := lastRow(t, p.stdout.String()); !regexp.MustCompile(tt.row).MatchString(row) {
					t.Errorf("the row is\n%s", row)
				}
				if log := p.stderr.String(); strings.Contains(log, "deliveries rejected") {
					t.Errorf("it says so twice:\n%s", log)
				}
			})
		}
	}
}

func TestProxyPrintsCopiesReplaysAndExamples(t *testing.T) {
	t.Parallel()
	inspector := testcaddy.FreeAddress(t)
	p := startProxy(t, secretVariables, "--deduplicate", "--inspect", inspector)
	for range 2 {
		send(t, "user.created", "--to", p.url+"/api/webhooks", "--id", "msg_twice")
	}
	p.stdout.WaitFor(t, "not forwarded: it is a copy of a delivery that is done\n")
	post(t, "http://"+inspector+"/api/send", http.Header{"Content-Type": {"application/json"}}, `{"type":"user.deleted"}`)
	p.stdout.WaitFor(t, "  an example\n")
	entry := inspectedIDs(t, "http://"+inspector)[0]
	post(t, "http://"+inspector+"/api/entries/"+entry+"/replay", http.Header{"Content-Type": {"application/json"}}, `{}`)
	p.stdout.WaitFor(t, "  a replay\n")
}

func TestProxyPrintsJSON(t *testing.T) {
	t.Parallel()
	for _, inspect := range []string{"--inspect=off", "--inspect"} {
		t.Run(inspect, func(t *testing.T) {
			args := []string{"--json", inspect}
			if inspect == "--inspect" {
				args = append(args, testcaddy.FreeAddress(t))
			}
			p := &runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}
			p.launch(t, "proxy", secretVariables, args...)
			p.stderr.WaitFor(t, "Try it")
			send(t, "user.created", "--to", p.url+"/api/webhooks", "--id", "msg_1")
			send(t, "user.created", "--to", p.url+"/api/webhooks", "--invalid", "signature")
			p.stdout.WaitFor(t, "signature_mismatch")
			lines := strings.Split(strings.TrimSpace(p.stdout.String()), "\n")
			if len(lines) != 2 || !gjson.Valid(lines[0]) || !gjson.Valid(lines[1]) {
				t.Fatalf("it printed\n%s", p.stdout.String())
			}
			genuine, forged := gjson.Parse(lines[0]), gjson.Parse(lines[1])
			for path, want := range map[string]string{"type": "user.created", "outcome": "forwarded", "status": "200", "message_id": "msg_1", "state": "done", "cause": "", "failure": ""} {
				if got := genuine.Get(path).String(); got != want {
					t.Errorf("%s is %q, want %q", path, got, want)
				}
			}
			if !strings.HasPrefix(genuine.Get("subject.text").String(), "Nadia Okafor, ") || !strings.Contains(forged.Get("cause").String(), "not signed with the known secret") {
				t.Errorf("it printed\n%s", p.stdout.String())
			}
			if !genuine.Get("duration_ms").Exists() || strings.Contains(p.stdout.String(), "crm-48213") {
				t.Errorf("it must have times and no payload:\n%s", p.stdout.String())
			}
		})
	}
}

func TestProxyIsQuiet(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables, "--quiet")
	start := p.stdout.String()
	send(t, "user.created", "--to", p.url+"/api/webhooks")
	post(t, p.url+"/elsewhere", nil, "")
	p.stdout.WaitFor(t, "not guarded: POST /elsewhere\n") // which comes after the delivery
	if printed := strings.TrimPrefix(p.stdout.String(), start); strings.Contains(printed, "Nadia") {
		t.Errorf("it printed %s", printed)
	}
}

// Strangers choose what rejected deliveries hold.
func TestProxyRowsHoldNoControlCharacters(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables)
	forge := func(body string) {
		r := testcaddy.SignedRequest(t, p.url+"/api/webhooks", otherSecret, body)
		testcaddy.Send(t, http.DefaultClient, r)
	}
	forge("{\"type\":\"a\u001b[2Jb\",\"data\":{\"name\":\"x\\u001b]0;title\\u0007\\r\\u202e\"}}")
	forge("{\"type\":\"\\u001b[31m" + strings.Repeat("y", 100) + "\",\"data\":{\"name\":\"" + strings.Repeat("z", 10_000) + "\"}}")
	p.stdout.WaitFor(t, "zzz")
	printed := p.stdout.String()
	if strings.ContainsAny(strings.ReplaceAll(printed, "\n", ""), "\x00\x07\x1b\r\u202e") {
		t.Errorf("printed %q", printed)
	}
	for line := range strings.Lines(printed) {
		if strings.Contains(line, "rejected") && len(line) > 600 {
			t.Errorf("a row has %d bytes", len(line))
		}
	}
}

func TestProxyPrintsNoControlCharactersInJSON(t *testing.T) {
	t.Parallel()
	p := &runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}
	p.launch(t, "proxy", secretVariables, "--json", "--inspect=off")
	p.stderr.WaitFor(t, "Try it")
	const name = "x\u007f\u009b31m\u202e\U000e0041é"
	r := testcaddy.SignedRequest(t, p.url+"/api/webhooks", otherSecret, `{"type":"a","data":{"name":"`+name+`"}}`)
	testcaddy.Send(t, http.DefaultClient, r)
	p.stdout.WaitFor(t, `x\u007f\u009b31m\u202e\udb40\udc41é`)
	if got := gjson.Get(p.stdout.String(), "subject.text").Str; got != name {
		t.Errorf("a program reads %q", got)
	}
}

// Strangers can send any number of deliveries.
func TestProxyPrintsFewRowsOfAFlood(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables)
	const count = 500
	r := send(t, "user.created", "--to", p.url+"/api/webhooks", "--invalid", "timestamp", "--count", "500", "--concurrency", "16")
	if !strings.Contains(r.stdout, "403  500") {
		t.Fatal(r.stdout)
	}
	send(t, "user.created", "--to", p.url+"/api/webhooks")
	p.stdout.WaitFor(t, "Nadia")
	rows, more := 0, 0
	testcaddy.Await(t, "the line about the rest, which comes after the rows", func() bool {
		rows, more = 0, 0
		for line := range strings.Lines(p.stdout.String()) {
			if strings.Contains(line, "  rejected  ") {
				rows++
			}
			if found := regexp.MustCompile(`and (\d+) more, too many to show$`).FindStringSubmatch(strings.TrimSpace(line)); found != nil {
				n, _ := strconv.Atoi(found[1])
				more += n
			}
		}
		return rows+more >= count
	})
	if rows+more != count || rows > count/2 {
		t.Errorf("%d rows and %d more:\n%s", rows, more, p.stdout.String())
	}
}

// TestProxyPrintsTheLastRowsWhenItStops stops the proxy right after a delivery.
func TestProxyPrintsTheLastRowsWhenItStops(t *testing.T) {
	t.Parallel()
	p := startProxy(t, secretVariables)
	for range 3 {
		if r := send(t, "user.created", "--to", p.url+"/api/webhooks"); r.code != 0 {
			t.Fatal(r.stdout)
		}
	}
	p.stop(t)
	if got := strings.Count(p.stdout.String(), "  user.created          "); got != 3 {
		t.Errorf("%d rows of 3:\n%s", got, p.stdout.String())
	}
}
