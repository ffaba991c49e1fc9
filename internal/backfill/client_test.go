package backfill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

func TestClientRepeatsWhatFails(t *testing.T) {
	for name, fault := range map[string]testclerk.Fault{
		"429":                       {Status: 429},
		"429 with Retry-After":      {Status: 429, Header: http.Header{"Retry-After": {"0"}}},
		"429 with a date":           {Status: 429, Header: http.Header{"Retry-After": {"Mon, 02 Jan 2006 15:04:05 GMT"}}},
		"500":                       {Status: 500},
		"503":                       {Status: 503},
		"a connection that breaks":  {Break: true},
		"an unreadable Retry-After": {Status: 503, Header: http.Header{"Retry-After": {"soon"}}},
	} {
		t.Run(name, func(t *testing.T) {
			instance := &testclerk.Instance{}
			instance.Add(testclerk.Users(0, 3)...)
			instance.Before = func(number int, _ *http.Request) *testclerk.Fault {
				if number <= 3 {
					return &fault
				}
				return nil
			}
			if ids := readAll(t, listUsers(serve(t, instance), place{})); len(ids) != 3 {
				t.Errorf("read %v", ids)
			}
		})
	}
}

func TestClientGivesUp(t *testing.T) {
	for _, tt := range []struct {
		name     string
		fault    testclerk.Fault
		requests int
		says     string
	}{
		{"after many attempts", testclerk.Fault{Status: 500}, apiTries, "answers 500 to /instance"},
		{"on 401", testclerk.Fault{Status: 401}, 1, "check the secret key"},
		{"on 403", testclerk.Fault{Status: 403}, 1, "answers 403"},
		{"on a redirect, which could send the key elsewhere", testclerk.Fault{Status: 302, Header: http.Header{"Location": {"https://example.com/"}}}, 1, "redirect"},
		{"on a pause that is too long", testclerk.Fault{Status: 429, Header: http.Header{"Retry-After": {"3600"}}}, 1, "a pause of 1h0m0s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			instance := &testclerk.Instance{Before: func(int, *http.Request) *testclerk.Fault { return &tt.fault }}
			client := serve(t, instance)
			client.firstWait = 0
			_, err := client.Instance(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.says) || len(instance.Requests()) != tt.requests {
				t.Errorf("%d requests, error %v", len(instance.Requests()), err)
			}
		})
	}
}

func TestClientWaitsAsLongAsRetryAfterSays(t *testing.T) {
	var first time.Time
	instance := &testclerk.Instance{Before: func(number int, _ *http.Request) *testclerk.Fault {
		if number == 1 {
			first = time.Now()
			return &testclerk.Fault{Status: 429, Header: http.Header{"Retry-After": {"1"}}}
		}
		return nil
	}}
	if _, err := serve(t, instance).Instance(t.Context()); err != nil || time.Since(first) < time.Second {
		t.Errorf("it waits %s, error %v", time.Since(first), err)
	}
}

func TestClientStopsWaitingWhenItIsStopped(t *testing.T) {
	stopped := errors.New("stopped")
	ctx, stop := context.WithCancelCause(t.Context())
	instance := &testclerk.Instance{Before: func(int, *http.Request) *testclerk.Fault {
		stop(stopped)
		return &testclerk.Fault{Status: 429, Header: http.Header{"Retry-After": {"600"}}}
	}}
	if _, err := serve(t, instance).Instance(ctx); !errors.Is(err, stopped) {
		t.Errorf("error %v", err)
	}
}

func TestClientLimitsAnAnswer(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		chunk := []byte(strings.Repeat(" ", 1<<20))
		for range maxPage>>20 + 8 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}))
	defer server.Close()
	if _, err := clientOf(t, server.URL).Instance(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 32 MiB") {
		t.Errorf("error %v", err)
	}
}

func TestAddressOfTheAPI(t *testing.T) {
	key, _ := ParseKey(testclerk.Key)
	for api, ok := range map[string]bool{
		"https://api.clerk.com/v1": true, "http://localhost:4010": true, "http://127.0.0.1:1/v1/": true, "http://[::1]:1": true,
		"http://api.clerk.com/v1": false, "api.clerk.com": false, "ftp://localhost": false, "": false, "https://": false,
		"https://a:b@api.clerk.com": false, "https://api.clerk.com?x=1": false, "http://localhost.example.com": false,
	} {
		if _, err := NewClient(api, key, nil); (err == nil) != ok {
			t.Errorf("%s: error %v", api, err)
		}
	}
}

func TestKeys(t *testing.T) {
	for text, says := range map[string]string{
		"sk_test_abc":                         "",
		" sk_live_abc\n":                      "",
		"":                                    "empty",
		"pk_live_abc":                         "publishable key",
		"pk_test_abc":                         "publishable key",
		"whsec_abc":                           "signing secret",
		"abc":                                 "does not begin with sk_test_ or sk_live_",
		"sk_live_":                            "not a whole secret key",
		"sk_live_a b":                         "not a whole secret key",
		"sk_live_a\x00b":                      "not a whole secret key",
		"sk_test_" + strings.Repeat("a", 999): "not a whole secret key",
	} {
		key, err := ParseKey(text)
		if says == "" && (err != nil || key.IsLive() != strings.Contains(text, "live")) {
			t.Errorf("%q: error %v", text, err)
		}
		if says != "" && (err == nil || !strings.Contains(err.Error(), says) || len(text) > 9 && strings.Contains(err.Error(), text)) {
			t.Errorf("%q: error %v", text, err)
		}
	}
}

func TestNothingPrintsTheKey(t *testing.T) {
	key, _ := ParseKey(testclerk.Key)
	client, err := NewClient("https://api.clerk.com/v1", key, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret := testclerk.Key[len("sk_test_"):]
	for _, verb := range "vsqdxXobcUeEfFgGtT" {
		for _, flag := range []string{"", "+", "#", " "} {
			for _, value := range []any{key, &key, []Key{key}, struct{ key Key }{key}, client.key, client, Options{Client: client}} {
				printed := fmt.Sprintf("%"+flag+string(verb), value)
				if strings.Contains(printed, secret) || strings.Contains(strings.ToLower(printed), fmt.Sprintf("%x", secret)) {
					t.Errorf("%%%s%c of %T prints it", flag, verb, value)
				}
			}
		}
	}
}

func TestErrorsOfTheAPIDoNotHoldTheKey(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, `{"errors":[{"code":"%s","message":"you sent %s \u001b[31m"}]}`, r.Header.Get("Authorization"), r.Header.Get("Authorization"))
	}))
	defer server.Close()
	_, err := clientOf(t, server.URL).Instance(t.Context())
	if err == nil || strings.Contains(err.Error(), testclerk.Key) || !strings.Contains(err.Error(), "you sent Bearer [secret key]") || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("error %v", err)
	}
}

// net/http repeats what it could not read.
func TestErrorsOfMalformedAnswersDoNotHoldTheKey(t *testing.T) {
	for name, answer := range map[string]string{
		"no status line":      "%s\r\n\r\n",
		"a status":            "HTTP/1.1 %s\r\n\r\n",
		"a line of no header": "HTTP/1.1 200 OK\r\n%s\r\n\r\n",
		"a length":            "HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
		"a coding":            "HTTP/1.1 200 OK\r\nTransfer-Encoding: %s\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				conn, _, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				_, _ = fmt.Fprintf(conn, answer, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
			}))
			defer server.Close()
			client := clientOf(t, server.URL)
			client.firstWait, client.tries = 0, 2
			client.notify = func(line string) {
				if strings.Contains(line, testclerk.Key) {
					t.Errorf("it prints %s", line)
				}
			}
			if _, err := client.Instance(t.Context()); err == nil || strings.Contains(err.Error(), testclerk.Key) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A value of the list costs a hundred bytes of memory if it is kept.
func TestAListOfSomethingElseTakesLittleMemory(t *testing.T) {
	list := gjson.Parse("[" + strings.Repeat("1,", 1<<20) + "1]")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := parseObjects(list)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; err == nil || used > 1<<20 {
		t.Errorf("it takes %d bytes: %v", used, err)
	}
}
