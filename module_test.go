package clerkwebhook_test

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	_ "github.com/caddyclerk/caddy-clerk-webhook"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestDeliveryArrivesByteForByte(t *testing.T) {
	const maxBody = 3 << 20
	sizes := []int{0, 1, 2 << 10, maxBody - 1, maxBody}
	for _, step := range []int{8 << 10, 32 << 10, 128 << 10, 512 << 10, 2 << 20} {
		sizes = append(sizes, step-1, step, step+1)
	}
	framings := map[string]func(*http.Request){
		"with Content-Length":    func(*http.Request) {},
		"without Content-Length": testcaddy.Chunk,
	}
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, `
		clerk_webhook /hooks {
			secret `+testcaddy.Secret+`
			max_body 3MiB
		}
		clerk_webhook /small {
			secret `+testcaddy.Secret+`
		}
		reverse_proxy `+backend.Address+testcaddy.Labelled, "")

	for _, client := range site.Clients {
		for framing, frame := range framings {
			for _, size := range sizes {
				t.Run(fmt.Sprintf("%s/%s/%d bytes", client.Name, framing, size), func(t *testing.T) {
					body := testcaddy.RandomBody(size)
					r := testcaddy.SignedRequest(t, client.URL+"/hooks", testcaddy.Secret, body)
					r.Header.Set("Webhook-Id", "not_verified")
					frame(r)
					testcaddy.Send(t, client.Client, r).Check(t, 200, "forwarded")
					checkArrival(t, testcaddy.OnlyRequest(t, backend), r, body)
				})
			}
			t.Run(client.Name+"/"+framing+"/a byte too much", func(t *testing.T) {
				r := testcaddy.SignedRequest(t, client.URL+"/small", testcaddy.Secret, testcaddy.RandomBody(1<<20+1))
				frame(r)
				testcaddy.Send(t, client.Client, r).Check(t, 413, "rejected body_too_large")
				testcaddy.WantNothing(t, backend)
			})
		}
	}
}

// checkArrival checks that the backend got the body of r, as one of known
// length, and the verified headers only.
func checkArrival(t *testing.T, got testcaddy.Received, r *http.Request, body string) {
	t.Helper()
	if string(got.Payload) != body {
		t.Errorf("the body of %d bytes differs; got %d bytes", len(body), len(got.Payload))
	}
	if got.ContentLength != int64(len(body)) || len(got.TransferEncoding) > 0 {
		t.Errorf("Content-Length %d, Transfer-Encoding %q, want %d and none", got.ContentLength, got.TransferEncoding, len(body))
	}
	if len(got.Trailer) > 0 || got.Header.Get("Trailer") != "" {
		t.Errorf("trailers arrived: %q, announced %q", got.Trailer, got.Header.Get("Trailer"))
	}
	for _, name := range []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature", "Content-Type"} {
		if got, want := got.Header.Values(name), r.Header.Values(name); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name := range got.Header {
		if strings.HasPrefix(name, "Webhook-") {
			t.Errorf("%s arrived beside a verified svix set", name)
		}
	}
}

func TestDeliveryWithStandardHeadersOnly(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Address+testcaddy.Labelled, "")
	r := testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.Secret, testcaddy.UserCreated)
	for _, part := range []string{"Id", "Timestamp", "Signature"} {
		r.Header["Webhook-"+part] = r.Header["Svix-"+part]
		delete(r.Header, "Svix-"+part)
	}
	testcaddy.Send(t, site.Clients[0].Client, r).Check(t, 200, "forwarded")
	got := testcaddy.OnlyRequest(t, backend)
	for _, part := range []string{"Id", "Timestamp", "Signature"} {
		if got.Header.Get("Webhook-"+part) != r.Header.Get("Webhook-"+part) {
			t.Errorf("webhook-%s arrived as %q", strings.ToLower(part), got.Header.Get("Webhook-"+part))
		}
	}
}

// What passes the guard is what would pass without it, in both directions.
func TestGuardChangesNothingElse(t *testing.T) {
	tests := map[string]struct {
		change func(*http.Request)
		answer http.HandlerFunc
	}{
		"an escaped path and a query": {
			change: func(r *http.Request) { r.URL.Opaque = "/a%2Fb//c/../d%20e?x=1;y=%zz&q" },
		},
		"credentials, cookies and repeated headers": {
			change: func(r *http.Request) {
				r.SetBasicAuth("user", "password")
				r.Header["Cookie"] = []string{"a=1; b=2"}
				r.Header["X-Several"] = []string{"1", "", "2"}
			},
		},
		"hop-by-hop and forwarding headers": {
			change: func(r *http.Request) {
				r.Header.Set("Connection", "X-Hop")
				r.Header.Set("X-Hop", "1")
				r.Header.Set("X-Forwarded-For", "203.0.113.7")
				r.Header.Set("Te", "trailers")
			},
		},
		"a compressed body": {
			change: func(r *http.Request) { r.Header.Set("Content-Encoding", "gzip") },
		},
		"no User-Agent": {
			change: func(r *http.Request) { r.Header["User-Agent"] = []string{""} },
		},
		"an answer with a body": {
			answer: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thank you") },
		},
		"an answer in pieces": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "thank ")
				_ = http.NewResponseController(w).Flush()
				fmt.Fprint(w, "you")
			},
		},
		"an answer with repeated headers": {
			answer: func(w http.ResponseWriter, _ *http.Request) {
				w.Header()["Set-Cookie"] = []string{"a=1", "b=2"}
				w.Header().Set("Etag", `"1"`)
				w.WriteHeader(201)
			},
		},
		"204": {answer: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		"302": {answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 302) }},
		"400": {answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "bad", 400) }},
		"410": {answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "gone", 410) }},
		"500": {answer: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "broken", 500) }},
		"an aborted answer": {
			answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			backend := testcaddy.NewBackend(t, test.answer)
			guarded, bare := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
			testcaddy.Run(t, fmt.Sprintf(`
				http://hooks.example.com:%s {
					clerk_webhook {
						secret %s
					}
					reverse_proxy %[4]s
				}
				http://hooks.example.com:%[3]s {
					reverse_proxy %[4]s
				}`, testcaddy.Port(guarded), testcaddy.Secret, testcaddy.Port(bare), backend.Address), "default_bind 127.0.0.1")

			var answers [2]testcaddy.Answer
			var arrived [2]testcaddy.Received
			r := testcaddy.SignedRequest(t, "http://x", testcaddy.Secret, testcaddy.UserCreated)
			r.Host = "hooks.example.com"
			if test.change != nil {
				test.change(r)
			}
			for i, address := range []string{guarded, bare} {
				r.URL.Host = address
				r.Body, _ = r.GetBody()
				answers[i] = testcaddy.Send(t, testcaddy.NoRedirects, r)
				arrived[i] = testcaddy.OnlyRequest(t, backend)
			}
			compareRequests(t, arrived[0], arrived[1])
			compareAnswers(t, answers[0], answers[1])
		})
	}
}

func compareRequests(t *testing.T, guarded, bare testcaddy.Received) {
	t.Helper()
	line := func(r testcaddy.Received) string {
		return fmt.Sprint(r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding)
	}
	if line(guarded) != line(bare) {
		t.Errorf("the request line differs:\n%s\n%s", line(guarded), line(bare))
	}
	if !maps.EqualFunc(guarded.Header, bare.Header, equalValues) {
		t.Errorf("the request's headers differ:\n%q\n%q", guarded.Header, bare.Header)
	}
	if !bytes.Equal(guarded.Payload, bare.Payload) {
		t.Errorf("the request's body differs:\n%q\n%q", guarded.Payload, bare.Payload)
	}
}

func compareAnswers(t *testing.T, guarded, bare testcaddy.Answer) {
	t.Helper()
	guarded.Header.Del("Date")
	bare.Header.Del("Date")
	if guarded.StatusCode != bare.StatusCode || guarded.Text != bare.Text {
		t.Errorf("the answer differs: %d %q, %d %q", guarded.StatusCode, guarded.Text, bare.StatusCode, bare.Text)
	}
	if !maps.EqualFunc(guarded.Header, bare.Header, equalValues) {
		t.Errorf("the answer's headers differ:\n%q\n%q", guarded.Header, bare.Header)
	}
}

func equalValues(a, b []string) bool { return fmt.Sprintf("%q", a) == fmt.Sprintf("%q", b) }

func TestUnwantedEventsAreAcknowledged(t *testing.T) {
	const (
		userDeleted  = `{"type":"user.deleted"}`
		acknowledged = "Acknowledged, but not forwarded: the option events does not select "
	)
	tests := map[string]struct {
		options string
		body    string
		status  int
		guard   string
		text    string
	}{
		"wanted":                             {"events user.created user.deleted", testcaddy.UserCreated, 200, "forwarded", ""},
		"unwanted":                           {"events user.created", userDeleted, 204, "filtered", ""},
		"unwanted, with a body allowed":      {"events user.created\nfiltered 200", userDeleted, 200, "filtered", acknowledged + "user.deleted.\n"},
		"unwanted, with another status":      {"events user.created\nfiltered 410", userDeleted, 410, "filtered", "Not forwarded: the option events does not select user.deleted.\n"},
		"unwanted, to be sent again":         {"events user.created\nfiltered 599", userDeleted, 599, "filtered", "Not forwarded: the option events does not select user.deleted.\n"},
		"unwanted, with 205":                 {"events user.created\nfiltered 205", userDeleted, 205, "filtered", ""},
		"unwanted, with 304":                 {"events user.created\nfiltered 304", userDeleted, 304, "filtered", ""},
		"another sender's type":              {"events user.created\nfiltered 202", `{"type":"invoice.paid-out"}`, 202, "filtered", acknowledged + "invoice.paid-out.\n"},
		"a type with characters of its own":  {"events user.created\nfiltered 202", `{"type":"<b>\u0000"}`, 202, "filtered", acknowledged + "events of this type.\n"},
		"no type, with a body allowed":       {"events user.created\nfiltered 200", `{}`, 200, "filtered", acknowledged + "events without a type.\n"},
		"any event":                          {"", userDeleted, 200, "forwarded", ""},
		"no JSON, any event":                 {"", "hello", 200, "forwarded", ""},
		"no JSON, some events":               {"events *", "hello", 204, "filtered", ""},
		"no body, any event":                 {"", "", 200, "forwarded", ""},
		"no body, some events":               {"events *", "", 204, "filtered", ""},
		"no type, some events":               {"events *", `{"data":{"type":"user.created"}}`, 204, "filtered", ""},
		"a type that is no text":             {"events *", `{"type":1}`, 204, "filtered", ""},
		"two types of which the last counts": {"events user.created", `{"type":"user.created","type":"user.deleted"}`, 204, "filtered", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "from the backend") })
			site := testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\n"+test.options+"\n}\nreverse_proxy "+backend.Address+testcaddy.Labelled, "")
			got := testcaddy.Send(t, site.Clients[0].Client, testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.Secret, test.body))
			got.Check(t, test.status, test.guard)
			if test.guard == "forwarded" {
				testcaddy.OnlyRequest(t, backend)
				return
			}
			testcaddy.WantNothing(t, backend)
			if got.Text != test.text {
				t.Errorf("the answer is %q, want %q", got.Text, test.text)
			}
			if got.Text != "" && got.Header.Get("Content-Type") != "text/plain; charset=utf-8" {
				t.Errorf("the answer is of type %q", got.Header.Get("Content-Type"))
			}
		})
	}
}

// Wherever the guard stands, what it guards is guarded and nothing else is.
func TestPlacesOfTheGuard(t *testing.T) {
	const guard = "clerk_webhook {\nsecret " + testcaddy.Secret + "\n}\n"
	tests := map[string]struct{ directives, guarded, open string }{
		"on a path":          {"clerk_webhook /hooks* {\nsecret " + testcaddy.Secret + "\n}\nrespond ok", "/hooks", "/"},
		"with a matcher":     {"@hooks path /a /b\nclerk_webhook @hooks {\nsecret " + testcaddy.Secret + "\n}\nrespond ok", "/b", "/c"},
		"in handle":          {"handle /hooks {\n" + guard + "respond ok\n}\nhandle {\nrespond ok\n}", "/hooks", "/"},
		"in handle_path":     {"handle_path /hooks/* {\n" + guard + "respond ok\n}\nrespond ok", "/hooks/x", "/"},
		"in route":           {"route /hooks {\n" + guard + "respond ok\n}\nrespond ok", "/hooks", "/"},
		"after others":       {"respond ok\nheader X-A b\nencode gzip\nrewrite /old /hooks\n@h path /hooks\nclerk_webhook @h {\nsecret " + testcaddy.Secret + "\n}", "/old", "/"},
		"beside another one": {"handle /other {\nclerk_webhook {\nsecret " + testcaddy.OtherSecret + "\n}\nrespond no\n}\nhandle /hooks {\n" + guard + "respond ok\n}\nrespond ok", "/hooks", "/"},
		"twice in a row":     {"route /hooks {\n" + guard + guard + "respond ok\n}\nrespond ok", "/hooks", "/"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			site := testcaddy.RunSite(t, test.directives, "")
			client := site.Clients[0]
			for secret, want := range map[string]int{testcaddy.Secret: 200, testcaddy.OtherSecret: 403} {
				got := testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL+test.guarded, secret, testcaddy.UserCreated))
				if got.StatusCode != want || (got.Text == "ok") != (want == 200) {
					t.Errorf("guarded: got %d %q, want %d", got.StatusCode, got.Text, want)
				}
			}
			got := testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL+test.open, testcaddy.OtherSecret, testcaddy.UserCreated))
			if got.StatusCode != 200 || got.Text != "ok" {
				t.Errorf("open: got %d %q", got.StatusCode, got.Text)
			}
		})
	}
}

// Other directives that wrap the request or the answer do not get in the way.
func TestNeighboursOfTheGuard(t *testing.T) {
	long := strings.Repeat(`{"data":{"id":"user_1"},"type":"user.created"} `, 100)
	tests := map[string]struct {
		directives string
		change     func(*http.Request)
		secret     string
		body       string
		status     int
		guard      string
		text       string
	}{
		"request_body in front, declared, which the guard never sees": {
			directives: "request_body {\nmax_size 1KB\n}",
			body:       long, status: 413, guard: "{http.clerk_webhook.outcome} {http.clerk_webhook.reason}", text: "error page for 413",
		},
		"request_body in front, in chunks": {
			directives: "request_body {\nmax_size 1KB\n}",
			change:     testcaddy.Chunk,
			body:       long, status: 413, guard: "rejected body_too_large", text: "error page for 413",
		},
		"request_body in front, genuine": {
			directives: "request_body {\nmax_size 10KB\n}",
			change:     testcaddy.Chunk,
			body:       long, status: 200, guard: "forwarded", text: "thank you",
		},
		"encode": {
			directives: "encode gzip {\nminimum_length 1\n}",
			change:     func(r *http.Request) { r.Header.Set("Accept-Encoding", "gzip") },
			body:       testcaddy.UserCreated, status: 200, guard: "forwarded",
		},
		"access log, genuine": {
			directives: "log",
			body:       long, status: 200, guard: "forwarded", text: "thank you",
		},
		"access log, forged": {
			directives: "log",
			secret:     testcaddy.OtherSecret,
			body:       long, status: 403, guard: "rejected signature_mismatch", text: "error page for 403",
		},
		"access log, genuine in chunks": {
			directives: "log\nlog_append size {http.request.body}",
			change:     testcaddy.Chunk,
			body:       long, status: 200, guard: "forwarded", text: "thank you",
		},
		"intercept, genuine": {
			directives: "intercept {\n@ok status 2xx\nhandle_response @ok {\nheader -Content-Length\nrespond \"intercepted {http.clerk_webhook.type}\"\n}\n}",
			body:       testcaddy.UserCreated, status: 200, guard: "forwarded", text: "intercepted user.created",
		},
		"intercept, forged": {
			directives: "intercept {\n@bad status 403\nhandle_response @bad {\nrespond intercepted\n}\n}",
			secret:     testcaddy.OtherSecret,
			body:       testcaddy.UserCreated, status: 403, guard: "rejected signature_mismatch", text: "error page for 403",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "thank you") })
			site := testcaddy.RunSite(t, test.directives+"\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Address+testcaddy.Labelled, "")
			for _, client := range site.Clients {
				r := testcaddy.SignedRequest(t, client.URL, cmp.Or(test.secret, testcaddy.Secret), test.body)
				if test.change != nil {
					test.change(r)
				}
				got := testcaddy.Send(t, client.Client, r)
				got.Check(t, test.status, test.guard)
				if test.text != "" && got.Text != test.text {
					t.Errorf("%s: the answer is %q, want %q", client.Name, got.Text, test.text)
				}
				if test.status != 200 {
					testcaddy.WantNothing(t, backend)
				} else if arrived := testcaddy.OnlyRequest(t, backend); string(arrived.Payload) != test.body {
					t.Errorf("%s: %d bytes arrived, want %d", client.Name, len(arrived.Payload), len(test.body))
				}
			}
		})
	}
}

// The configuration changes again and again while deliveries are under way over
// every version of HTTP, all half arrived at the time; meanwhile others come in,
// each over a connection of its own. Of these a sender repeats what it got no
// answer to, since the kernel resets connections that wait to be accepted by a
// listener that Caddy closes, guard or not.
func TestReloadUnderLoad(t *testing.T) {
	const senders = 4
	reloads := 6
	if testcaddy.Long {
		reloads = 20
	}
	backend := testcaddy.NewBackend(t, nil)
	directives := func(generation int) string {
		return fmt.Sprintf("header X-Generation %d\nclerk_webhook {\nsecret %s\n}\nreverse_proxy %s {\ntransport http {\nkeepalive off\n}\n}%s", generation, testcaddy.Secret, backend.Address, testcaddy.Labelled)
	}
	site := testcaddy.RunSite(t, directives(0), "")
	stop := deliverConstantly(t, senders, "http://"+site.Plain)
	defer stop()
	goroutines := runtime.NumGoroutine()

	var answered sync.WaitGroup
	var unaccepted atomic.Int32
	for generation := range reloads {
		finish := make(chan struct{})
		for _, client := range site.Clients {
			body := testcaddy.RandomBody(100_000 + generation)
			source := &pausedReader{first: strings.NewReader(body[:50_000]), rest: strings.NewReader(body[50_000:]), paused: make(chan struct{}), resume: finish}
			r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, body)
			r.Body, r.GetBody = io.NopCloser(source), nil
			answered.Go(func() {
				res, err := client.Do(r)
				if err != nil { // Caddy had not accepted it yet, so it is sent again
					unaccepted.Add(1)
					res, err = client.Do(testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, body))
				}
				if err != nil {
					t.Errorf("%s, reload %d: %v", client.Name, generation+1, err)
					return
				}
				defer res.Body.Close()
				testcaddy.Answer{Response: res}.Check(t, 200, "forwarded")
			})
			<-source.paused
		}
		site.Reload(t, directives(generation+1))
		close(finish)
		answered.Wait()
		for _, client := range site.Clients { // they may still be about to learn that Caddy closes
			client.CloseIdleConnections()
		}
	}
	if lost := int(unaccepted.Load()); lost > reloads*len(site.Clients)/10 {
		t.Errorf("%d of %d deliveries had to be sent again", lost, reloads*len(site.Clients))
	}
	t.Logf("%d other deliveries", stop())
	testcaddy.Await(t, "the goroutines of former configurations to end", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// deliverConstantly delivers until stop is called, which returns how many
// deliveries there were. Anything but a 200 is an error.
func deliverConstantly(t *testing.T, senders int, url string) (stop func() int64) {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var delivered atomic.Int64
	var running sync.WaitGroup
	done := make(chan struct{})
	for range senders {
		running.Go(func() {
			for i := 1; ; i++ {
				select {
				case <-done:
					return
				default:
				}
				res, err := client.Do(testcaddy.SignedRequest(t, url, testcaddy.Secret, testcaddy.RandomBody(i*7919%(256<<10))))
				if err != nil {
					continue // no answer: repeated
				}
				testcaddy.Answer{Response: res}.Check(t, 200, "forwarded")
				res.Body.Close()
				delivered.Add(1)
			}
		})
	}
	return sync.OnceValue(func() int64 {
		close(done)
		running.Wait()
		return delivered.Load()
	})
}

// pausedReader tells when all of its first part has been read, and goes on when
// told.
type pausedReader struct {
	first, rest    io.Reader
	paused, resume chan struct{}
	once           sync.Once
}

func (p *pausedReader) Read(b []byte) (int, error) {
	if n, err := p.first.Read(b); err == nil {
		return n, nil
	}
	p.once.Do(func() { close(p.paused) })
	<-p.resume
	return p.rest.Read(b)
}
