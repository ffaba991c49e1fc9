package command

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// A backend under a name of this machine would be the proxy itself.
func TestNamesOfUpstreamsAreLookedUp(t *testing.T) {
	own, err := net.InterfaceAddrs()
	if err != nil || len(own) == 0 {
		t.Fatalf("no address of this machine: %v", err)
	}
	mine := netip.MustParsePrefix(own[len(own)-1].String()).Addr()
	for _, tt := range []struct {
		name, from, to string
		address        netip.Addr
		isLoop         bool
	}{
		{"this machine under another name", "localhost:9000", "mybox:9000", netip.MustParseAddr("127.0.0.1"), true},
		{"this machine as IPv6", "localhost:9000", "mybox:9000", netip.MustParseAddr("::ffff:127.0.0.1"), true},
		{"an address of this machine", ":9000", "mybox:9000", mine, true},
		{"an address of this machine, with IPv4 only", "0.0.0.0:9000", "mybox:9000", mine, true},
		{"a domain that leads to this machine", "hooks.example.com", "https://app.example.com", mine, true},
		{"another port", ":9000", "mybox:9001", mine, false},
		{"another machine", ":9000", "other:9000", netip.MustParseAddr("192.0.2.1"), false},
		{"a name without an address", ":9000", "later:9000", netip.Addr{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			from, err := parseSite(tt.from)
			if err != nil {
				t.Fatal(err)
			}
			to, err := parseUpstream(tt.to)
			if err != nil {
				t.Fatal(err)
			}
			to.resolve(func(context.Context, string, string) ([]netip.Addr, error) {
				if !tt.address.IsValid() {
					return nil, errors.New("no such host")
				}
				return []netip.Addr{tt.address}, nil
			})
			if got := from.isAt(to); got != tt.isLoop {
				t.Errorf("the upstream is the proxy: %v", got)
			}
		})
	}
}

// Nothing listens at a backend that has not started, so its name leads to the inspector.
func TestInspectorTakesNoPortOfABackendUnderAnotherName(t *testing.T) {
	for name, isAny := range map[string]bool{"another port is taken": true, "the port is refused": false} {
		t.Run(name, func(t *testing.T) {
			from, _ := parseSite("9000")
			inspector, _ := parseSite("4040")
			p := proxy{Listener: from, Inspector: &inspector, anyInspectorPort: isAny}
			p.to, _ = parseUpstream("mybox:4040")
			p.to.resolve(func(context.Context, string, string) ([]netip.Addr, error) {
				return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
			})
			err := p.checkInspectorPort()
			if isAny && (err != nil || p.Inspector.port != "4041") {
				t.Errorf("the inspector's port is %s: %v", p.Inspector.port, err)
			}
			if !isAny && (err == nil || !strings.Contains(err.Error(), "has the same port as --to")) {
				t.Errorf("got the error %v", err)
			}
		})
	}
}
