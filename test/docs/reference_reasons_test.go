package docs_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// TestReferenceHasEveryReasonWithItsStatus provokes every answer of a guard. The
// metrics have each reason for a rejection from the start, which tells whether
// one is missing here.
func TestReferenceHasEveryReasonWithItsStatus(t *testing.T) {
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, "http://"+address+" {"+testcaddy.Labelled+`
		handle /metrics {
			metrics
		}
		handle /refused {
			clerk_webhook {
				secret `+testcaddy.OtherSecret+`
				deduplicate test_failing {
					on_failure refuse
				}
			}
		}
		handle {
			clerk_webhook {
				name `+endpoint+`
				secret `+testcaddy.Secret+`
				events user.*
				max_body 1KiB
				body_timeout 500ms
				deduplicate
			}
			test_handler
		}
	}`)
	p := provoker{address: address, statuses: make(map[string]string)}
	p.provokeRejections(t)
	p.provokeDuplicates(t)
	p.keep(testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address+"/refused", testcaddy.OtherSecret, testcaddy.UserCreated)))

	table := referenceTable{heading: "Statuses and reasons", key: 1, value: func(cells []string) string { return cells[0] }}
	table.check(t, p.statuses)

	reasons := regexp.MustCompile(`endpoint="` + endpoint + `",outcome="\w+",reason="(\w+)"`)
	for sample := range testcaddy.Scrape(t, address) {
		match := reasons.FindStringSubmatch(sample)
		if match != nil && p.statuses[match[1]] == "" {
			t.Errorf("the metrics have the reason %s, which this test does not provoke", match[1])
		}
	}
}

func init() { testcaddy.RegisterStore("test_failing", failingStore{}) }

// failingStore is a store that always fails.
type failingStore struct{ stores.Store }

func (failingStore) Claim(context.Context, stores.Key, string, time.Duration) (stores.State, time.Time, error) {
	return stores.New, time.Time{}, errors.New("out of order")
}

func (failingStore) Release(context.Context, stores.Key, string) error { return nil }

// provoker sends deliveries to a guard and keeps the status of each reason.
type provoker struct {
	address  string
	statuses map[string]string
}

func (p provoker) keep(a testcaddy.Answer) {
	_, reason, _ := strings.Cut(a.Guard(), " ")
	p.statuses[reason] = strconv.Itoa(a.StatusCode)
}

func (p provoker) request(t *testing.T, body string) *http.Request {
	return testcaddy.SignedRequest(t, "http://"+p.address, testcaddy.Secret, body)
}

func (p provoker) provokeRejections(t *testing.T) {
	for _, change := range []func(*http.Request){
		func(r *http.Request) { r.Method = http.MethodGet },
		func(r *http.Request) { r.Header.Del("Svix-Id") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "now") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") },
		func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") },
	} {
		r := p.request(t, testcaddy.UserCreated)
		change(r)
		p.keep(testcaddy.Send(t, testcaddy.NewConnections, r))
	}
	for _, body := range []string{strings.Repeat(" ", 1025), `{"type":"organization.created"}`} {
		p.keep(testcaddy.Send(t, testcaddy.NewConnections, p.request(t, body)))
	}
	p.keep(p.sendWithoutBody(t, func(*testcaddy.Conn) {}))
	p.keep(p.sendWithoutBody(t, func(c *testcaddy.Conn) { _ = c.CloseWrite() }))
}

// sendWithoutBody announces a body that never comes.
func (p provoker) sendWithoutBody(t *testing.T, then func(*testcaddy.Conn)) testcaddy.Answer {
	t.Helper()
	var head strings.Builder
	fmt.Fprintf(&head, "POST / HTTP/1.1\r\nHost: %s\r\nContent-Length: 10\r\n", p.address)
	if err := p.request(t, testcaddy.UserCreated).Header.Write(&head); err != nil {
		t.Fatal(err)
	}
	conn := testcaddy.Dial(t, p.address)
	conn.Send(t, head.String()+"\r\n")
	then(conn)
	a, err := conn.Answer(http.MethodPost)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// provokeDuplicates sends a copy while the first is being handled, and another
// when it is done.
func (p provoker) provokeDuplicates(t *testing.T) {
	started, finish := make(chan struct{}), make(chan struct{})
	testcaddy.Behave(func(w http.ResponseWriter, _ *http.Request) error {
		close(started)
		<-finish
		w.WriteHeader(http.StatusNoContent)
		return nil
	})
	first, handled := p.request(t, testcaddy.UserCreated), make(chan struct{})
	go func() {
		defer close(handled)
		res, err := testcaddy.NewConnections.Do(first)
		if err != nil {
			t.Error(err)
			return
		}
		res.Body.Close()
	}()
	select {
	case <-started:
	case <-time.After(testcaddy.AtOnce):
		t.Fatal("the first copy did not arrive")
	}
	p.keep(testcaddy.Send(t, testcaddy.NewConnections, p.request(t, testcaddy.UserCreated)))
	close(finish)
	<-handled
	p.keep(testcaddy.Send(t, testcaddy.NewConnections, p.request(t, testcaddy.UserCreated)))
}
