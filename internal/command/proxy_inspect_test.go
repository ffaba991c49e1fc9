package command_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

var inspectorLine = regexp.MustCompile(`(?m)^  inspector +(http://localhost:\d+)$`)

func TestProxyInspects(t *testing.T) {
	port := testcaddy.Port(testcaddy.FreeAddress(t))
	for given, printed := range map[string]string{
		port:                         "http://localhost:",
		"localhost:" + port:          "http://localhost:",
		"127.0.0.1:0" + port:         "http://127.0.0.1:",
		"foo.localhost:" + port:      "http://localhost:",
		"[::ffff:127.0.0.1]:" + port: "http://127.0.0.1:",
	} {
		t.Run(given, func(t *testing.T) {
			p := startProxy(t, secretVariables, "--inspect", given)
			if r := send(t, "user.updated", "--to", p.url+"/api/webhooks"); r.code != 0 {
				t.Fatal(r.stdout)
			}
			if !strings.Contains(p.stdout.String(), "\n  inspector    "+printed+port+"\n") {
				t.Errorf("it says\n%s", p.stdout.String())
			}
			if types := inspectedTypes(t, printed+port); len(types) != 1 || types[0] != "user.updated" {
				t.Errorf("the inspector has %v", types)
			}
			p.stop(t)
		})
	}
}

// The proxy is given no port for the inspector, and its usual port is taken.
func TestProxyFindsAFreePortForTheInspector(t *testing.T) {
	if taken, err := net.Listen("tcp", "127.0.0.1:4040"); err == nil { // otherwise another program has it
		defer taken.Close()
	}
	for _, args := range [][]string{nil, {"--inspect=off"}} {
		t.Run(strings.Join(args, ""), func(t *testing.T) {
			p := (&runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}).start(t, "proxy", nil, args...)
			p.stdout.WaitFor(t, "Try it")
			line := inspectorLine.FindStringSubmatch(p.stdout.String())
			if args != nil {
				if line != nil {
					t.Errorf("it says %s", line[0])
				}
				return
			}
			if line == nil || strings.HasSuffix(line[1], ":4040") {
				t.Fatalf("it does not say where the inspector is:\n%s", p.stdout.String())
			}
			if types := inspectedTypes(t, line[1]); len(types) != 0 {
				t.Errorf("the inspector has %v", types)
			}
		})
	}
}

// inspectedTypes asks an inspector for the event types that it has recorded.
func inspectedTypes(t testing.TB, inspector string) (types []string) {
	t.Helper()
	for _, entry := range inspected(t, inspector) {
		types = append(types, entry.Type)
	}
	return types
}

func inspectedIDs(t testing.TB, inspector string) (ids []string) {
	t.Helper()
	for _, entry := range inspected(t, inspector) {
		ids = append(ids, entry.ID)
	}
	return ids
}

type inspectedEntry struct{ ID, Type string }

func inspected(t testing.TB, inspector string) []inspectedEntry {
	t.Helper()
	res, err := http.Get(inspector + "/api/entries")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Entries []inspectedEntry }
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return list.Entries
}

// The proxy is given no port for the inspector, so that send can find it.
func TestSendNamesTheInspectorThatSaysWhy(t *testing.T) {
	p := (&runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}).start(t, "proxy", secretVariables)
	p.stdout.WaitFor(t, "Try it")
	inspector := inspectorLine.FindStringSubmatch(p.stdout.String())
	if inspector == nil {
		t.Fatal(p.stdout.String())
	}
	r := send(t, "user.created", "--to", p.url+"/api/webhooks", "--invalid", "timestamp", "--id", "msg_late")
	ids := inspectedIDs(t, inspector[1])
	if len(ids) != 1 {
		t.Fatalf("the inspector has %v", ids)
	}
	row, rest, _ := strings.Cut(r.stdout, "\n")
	if !strings.HasPrefix(row, "403  ") || !strings.HasSuffix(row, "  see "+inspector[1]+"/#open="+ids[0]) {
		t.Errorf("the first line is %s", row)
	}
	if !strings.HasPrefix(rest, "  svix-id msg_late\n  timestamp_too_old: the timestamp is 10m") {
		t.Errorf("then come\n%s", rest)
	}
	if r := send(t, "user.created", "--to", p.url+"/api/webhooks", "--invalid", "timestamp", "--json"); !strings.Contains(r.stdout, `"inspector":"`+inspector[1]+`/#open=`) {
		t.Error(r.stdout)
	}
	if r := send(t, "user.created", "--to", p.url+"/api/webhooks"); r.code != 0 || strings.Contains(r.stdout, "see http") {
		t.Error(r.stdout)
	}
}
