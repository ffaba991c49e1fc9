package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectShowsTheClientBehindTrustedProxies(t *testing.T) {
	forwarded := http.Header{"X-Forwarded-For": {"203.0.113.7"}}
	for _, test := range []struct {
		name, servers string
		header        http.Header
		want          string
	}{
		{"a trusted proxy names the client", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", forwarded, "203.0.113.7"},
		{"a trusted proxy names nobody", "servers {\ntrusted_proxies static 127.0.0.1/32\n}", nil, "127.0.0.1"},
		{"a stranger names somebody", "", forwarded, "127.0.0.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := newDesk(t)
			testcaddy.Run(t, d.caddyfile("", "respond ok"), test.servers)
			d.deliver(t, message{id: "msg_genuine", body: testcaddy.UserCreated, header: test.header})
			d.deliver(t, message{id: "msg_forged", body: testcaddy.UserCreated, secret: testcaddy.OtherSecret, header: test.header})
			for _, e := range d.list(t, "") {
				d.act(t, e.ID, "replay", nil)
			}
			list := d.list(t, "")
			if len(list) != 4 {
				t.Fatalf("%d entries", len(list))
			}
			for _, e := range list {
				detail := d.one(t, e.ID)
				if e.ClientIP != test.want || detail.ClientIP != test.want || !strings.HasPrefix(e.RemoteAddr, "127.0.0.1:") {
					t.Errorf("%s %s: client %q in the list, %q in detail, want %q; peer %q", e.Origin, e.Outcome, e.ClientIP, detail.ClientIP, test.want, e.RemoteAddr)
				}
			}
		})
	}
}
