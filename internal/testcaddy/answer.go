package testcaddy

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// Answer is a response, read whole.
type Answer struct {
	*http.Response
	Text string
}

// Guard returns what the guard found, as a Labelled site reports it.
func (a Answer) Guard() string { return strings.TrimSpace(a.Header.Get("X-Guard")) }

// Check fails the test unless the answer has that status and the guard found that.
func (a Answer) Check(t testing.TB, status int, guard string) {
	t.Helper()
	if a.StatusCode != status || a.Guard() != guard {
		t.Errorf("got %d %q, want %d %q", a.StatusCode, a.Guard(), status, guard)
	}
}

// Send sends a request and reads the whole answer. It sends it again, as senders do, if
// the answer was lost because the server closed the connection while the body was still
// on its way. On a busy machine that happens to bodies that are refused unread.
func Send(t testing.TB, client *http.Client, r *http.Request) Answer {
	t.Helper()
	res, err := client.Do(r)
	for attempt := 1; attempt < 3 && r.GetBody != nil && isCutOff(err); attempt++ {
		again := r.Clone(r.Context())
		if again.Body, err = r.GetBody(); err != nil {
			t.Fatal(err)
		}
		res, err = client.Do(again)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return Answer{res, string(text)}
}

func isCutOff(err error) bool {
	return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}

// NewConnections is a client for tests that reload Caddy. A connection from
// before is of no use then, and right after the reload a new one may still reach
// the old server, which closes it unread, with or without a guard.
var NewConnections = &http.Client{Transport: reconnecting{&http.Transport{DisableKeepAlives: true}}}

type reconnecting struct{ *http.Transport }

func (rc reconnecting) RoundTrip(r *http.Request) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		res, err := rc.Transport.RoundTrip(r)
		unread := errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)
		if attempt == 5 || !unread || r.Body != nil && r.GetBody == nil {
			return res, err
		}
		r = r.Clone(r.Context())
		if r.GetBody == nil {
			continue
		}
		if r.Body, err = r.GetBody(); err != nil {
			return nil, err
		}
	}
}

// NoRedirects is a client that returns redirects instead of following them.
var NoRedirects = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// IsTimeout reports whether an error is about time that has run out.
func IsTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}
