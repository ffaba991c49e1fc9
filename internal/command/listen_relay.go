package command

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
)

const (
	publicRelay = "wss://api.relay.svix.com" + relay.Path
	publicInbox = "https://play.svix.com/in/"

	// lookupEvery is how often the addresses of a relay are looked up, because a
	// fleet gets new instances.
	lookupEvery = time.Minute
)

// relayAddress is where a relay listens.
type relayAddress struct {
	listenURL string
	host      string // with the port, if there is one
	isPublic  bool   // as Svix's; otherwise a Caddy with this plugin
}

// parseRelay reads the URL of a relay. Without one it is the public relay.
func parseRelay(args []string) (relayAddress, error) {
	given := publicRelay
	if len(args) > 0 {
		given = args[0]
	}
	if !strings.Contains(given, "://") {
		given = "wss://" + given
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" {
		return relayAddress{}, fmt.Errorf("%q is not the URL of a relay: write one such as wss://example.com/api/webhooks", given)
	}
	switch u.Scheme {
	case "https":
		u.Scheme = "wss"
	case "http":
		u.Scheme = "ws"
	}
	if u.Scheme != "wss" && u.Scheme != "ws" {
		return relayAddress{}, fmt.Errorf("%q is not the URL of a relay: begin it with wss://", given)
	}
	if u.Scheme == "ws" && !isLoopback(u.Hostname()) {
		return relayAddress{}, fmt.Errorf("%q would send the token and the payloads unencrypted: write wss://", given)
	}
	return relayAddress{listenURL: u.String(), host: u.Host, isPublic: u.Path == relay.Path}, nil
}

// withoutPassword returns a URL as it can be printed.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return u.Redacted()
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// sendURL is where the sender sends to.
func (a relayAddress) sendURL(token string) string {
	switch {
	case !a.isPublic:
		return "http" + strings.TrimPrefix(a.listenURL, "ws")
	case a.listenURL == publicRelay:
		return publicInbox + token + "/"
	}
	return "https://" + a.host + "/in/" + token + "/"
}

var notInFileNames = regexp.MustCompile(`[^\w.-]`)

// tokenForm is what public relays take: "c_" and ten letters or digits.
var tokenForm = regexp.MustCompile(`^c_[A-Za-z0-9]{10}$`)

// publicToken returns the token of this user at a public relay. It is the same until
// another one is asked for. Whoever knows it can get the deliveries, so each relay has
// its own.
func (a relayAddress) publicToken(isNew bool) (string, error) {
	name := "listen_token"
	if a.listenURL != publicRelay {
		name += "_" + notInFileNames.ReplaceAllString(a.host, "_")
	}
	file := filepath.Join(caddy.AppDataDir(), "clerk_webhook", name)
	if content, err := os.ReadFile(file); err == nil && !isNew {
		if token := strings.TrimSpace(string(content)); tokenForm.MatchString(token) {
			return token, nil
		}
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("reading the token of the public relay: %w", err)
	}
	token := "c_" + rand.Text()[:10]
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", fmt.Errorf("keeping the token of the public relay: %w", err)
	}
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		return "", fmt.Errorf("keeping the token of the public relay: %w", err)
	}
	return token, nil
}

// listen connects to the relay. Each instance of a fleet hands out what reaches it, so
// it connects to every address of the name.
func (a relayAddress) listen(ctx context.Context, client relay.Client) error {
	host, port, err := net.SplitHostPort(a.host)
	if err != nil {
		host, port = a.host, "443"
	}
	_, isAddress := netip.ParseAddr(strings.Trim(host, "[]"))
	if a.isPublic || isAddress == nil || strings.EqualFold(host, "localhost") || usesProxy(a.listenURL) {
		return client.Listen(ctx)
	}
	return listenAtEach(ctx, host, port, client)
}

func usesProxy(target string) bool {
	u, err := url.Parse(strings.Replace(target, "ws", "http", 1))
	if err != nil {
		return false
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: u})
	return proxy != nil || err != nil
}

// listenAtEach has one client for each address, and looks the addresses up again and
// again.
func listenAtEach(ctx context.Context, host, port string, client relay.Client) error {
	ctx, cancelAll := context.WithCancel(ctx)
	defer cancelAll()
	running := make(map[string]context.CancelFunc)
	ended := make(chan error)
	lookup := time.NewTicker(lookupEvery)
	defer lookup.Stop()
	for {
		addresses, err := lookUp(ctx, host)
		if err != nil && len(running) == 0 {
			client.Lost(err, lookupEvery)
		}
		for address, cancel := range running {
			if err == nil && !slices.Contains(addresses, address) {
				cancel()
				delete(running, address)
			}
		}
		for _, address := range addresses {
			if _, runs := running[address]; runs {
				continue
			}
			one, cancel := context.WithCancel(ctx)
			running[address] = cancel
			go func() {
				pinned := client
				pinned.HTTP = clientTo(net.JoinHostPort(address, port))
				if err := pinned.Listen(one); err != nil {
					ended <- err
				}
			}()
		}
		select {
		case err := <-ended:
			return err
		case <-lookup.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// lookUp returns the addresses of one family. Those of both are mostly the same
// instances, and each delivery would come twice.
func lookUp(ctx context.Context, host string) ([]string, error) {
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	var v4, v6 []string
	for _, address := range found {
		if address.Unmap().Is4() {
			v4 = append(v4, address.Unmap().String())
		} else {
			v6 = append(v6, address.String())
		}
	}
	if len(v4) > 0 {
		return v4, nil
	}
	return v6, nil
}

// clientTo connects to one address, whatever the name in the URL.
func clientTo(address string) *http.Client {
	dialer := &net.Dialer{}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, address)
	}
	return &http.Client{Transport: transport}
}
