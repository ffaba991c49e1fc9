package command

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/selfcheck"
)

const (
	longestCheck    = 10 * time.Second
	checkPause      = 200 * time.Millisecond
	certificateWait = time.Minute
	mostLostChecks  = 3
)

// checkGuarded sends an unsigned delivery to a URL of the site and returns an error if
// anything but the guard answers it. As long as there is no certificate, the site
// cannot serve anybody, so it waits for one, but not longer than wait. A connection that
// breaks says nothing about the guard, so it tries again, but not often.
func (s site) checkGuarded(out io.Writer, url string, wait time.Duration) error {
	client := s.client()
	defer client.CloseIdleConnections()
	start := time.Now()
	for alerts, lost := 0, 0; ; time.Sleep(checkPause) {
		answered, err := sendUnsigned(client, url)
		switch {
		case answered:
			return err
		case !isAlert(err):
			if lost++; lost > mostLostChecks {
				return fmt.Errorf("checking whether the guard refuses an unsigned delivery: %w", err)
			}
		case time.Since(start) > wait:
			return fmt.Errorf("%s has no certificate after %s: the log above says why. The domain must lead to this machine, and the internet must reach its ports 80 and 443. If something in front has the certificate, write --from with http:// instead of https://", s.url, wait)
		default:
			if alerts++; alerts == 2 {
				fmt.Fprintf(out, "Waiting for the certificate of %s\n", s.url)
			}
		}
	}
}

func isAlert(err error) bool {
	var operation *net.OpError
	return errors.As(err, &operation) && operation.Op == "remote error"
}

// sendUnsigned returns an error if anything but the guard answers, or nothing.
func sendUnsigned(client *http.Client, url string) (answered bool, err error) {
	r, err := selfcheck.NewRequest(context.Background(), url)
	if err != nil {
		return false, err
	}
	res, err := client.Do(r)
	if err != nil {
		return false, err
	}
	defer res.Body.Close()
	if !selfcheck.Confirmed(res) {
		return true, fmt.Errorf("%s is not guarded: the guard should refuse an unsigned delivery, but the answer was %d. With --path, give the path of your endpoint, without a query", url, res.StatusCode)
	}
	return true, nil
}

// client returns a client that connects to this process whatever the name of the site
// is. The public address of a domain may be that of a router.
func (s site) client() *http.Client {
	dialer := &net.Dialer{}
	return &http.Client{
		Timeout:       longestCheck,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				host, port, err := net.SplitHostPort(address)
				if err != nil {
					return nil, err
				}
				if _, err := netip.ParseAddr(host); err != nil {
					host = "localhost"
				}
				return dialer.DialContext(ctx, network, net.JoinHostPort(host, port))
			},
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // it never leaves this machine
		},
	}
}
