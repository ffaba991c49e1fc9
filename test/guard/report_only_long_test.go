//go:build long

package guard_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Handlers get what has come of a slow body, and then the error that they would meet
// without the guard.
func TestReportOnlyPassesASlowBodyOn(t *testing.T) {
	type read struct {
		length int
		err    error
	}
	reads := make(chan read, 1)
	testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
		got, err := io.ReadAll(r.Body)
		reads <- read{len(got), err}
		w.WriteHeader(http.StatusAccepted)
		return nil
	})
	endpoint := testcaddy.NewEndpoint()
	site := testcaddy.RunSite(t, "handle /metrics {\nmetrics\n}\nhandle {\nclerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\nbody_timeout 300ms\nreport_only\n}\ntest_handler\n}"+testcaddy.Labelled, "")
	for number, client := range site.Clients {
		for framing, length := range map[string]int64{"announced": 2000, "not announced": -1} {
			t.Run(client.Name+"/"+framing, func(t *testing.T) {
				r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
				r.GetBody, r.ContentLength = nil, length
				r.Body = io.NopCloser(endless{strings.NewReader(strings.Repeat("x", 1000)), t.Context().Done()})
				a := testcaddy.Send(t, client.Client, r)
				if got := <-reads; got.length != 1000 || !errors.Is(got.err, os.ErrDeadlineExceeded) {
					t.Errorf("the handler got %d bytes and the error %v", got.length, got.err)
				}
				a.Check(t, http.StatusAccepted, "rejected body_timeout")
			})
		}
		want := float64(2 * (number + 1))
		samples := testcaddy.Scrape(t, site.Plain)
		if got := samples[testcaddy.DeliveriesLabels(endpoint, "rejected", "body_timeout", "")]; got != want {
			t.Errorf("%v deliveries are counted, want %v", got, want)
		}
	}
}

// What is over max_body is not read to its end by the guard, so its deadline ends there.
func TestReportOnlyGivesALargeBodyTheTimeOfTheServer(t *testing.T) {
	const timeout = 200 * time.Millisecond
	for name, test := range map[string]struct {
		server string
		err    error
	}{
		"no limit of the server":                    {"", nil},
		"the server's read_body":                    {"timeouts {\nread_body 1s\n}", os.ErrDeadlineExceeded},
		"the server's read_body, without idle time": {noIdleTimeout("read_body 1s"), os.ErrDeadlineExceeded},
		"no limit of the server at all":             {noIdleTimeout(""), nil},
	} {
		t.Run(name, func(t *testing.T) {
			waiting, errs := make(chan struct{}, 1), make(chan error, 1)
			testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
				_, _ = io.CopyN(io.Discard, r.Body, 2000)
				waiting <- struct{}{}
				_, err := io.Copy(io.Discard, r.Body)
				errs <- err
				w.WriteHeader(http.StatusOK)
				return nil
			})
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\nmax_body 1KiB\nbody_timeout "+timeout.String()+"\nreport_only\n}\ntest_handler", test.server)
			first, second := strings.Repeat("x", 2000), strings.Repeat("y", 2000)
			conn := testcaddy.Dial(t, site.Plain)
			conn.Send(t, fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nSvix-Id: msg_1\r\nSvix-Timestamp: %d\r\nSvix-Signature: v1,AAAA\r\nTransfer-Encoding: chunked\r\n\r\n7d0\r\n%s\r\n", site.Plain, time.Now().Unix(), first))
			<-waiting
			if test.err == nil {
				<-time.After(2 * timeout)
				conn.Send(t, "7d0\r\n"+second+"\r\n0\r\n\r\n")
			}
			if err := <-errs; !errors.Is(err, test.err) {
				t.Errorf("the handler got the error %v, want %v", err, test.err)
			}
		})
	}
}
