package inspector_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// What the recorder sees goes by as if it were not there.

func TestInspectPassesOnWhatIsNotVerified(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "report_only\nmax_body 1KiB", "reverse_proxy "+backend.Address)
	large := testcaddy.RandomBody(100_000)
	for _, test := range []struct {
		name      string
		request   func(*http.Request) *http.Request
		reason    string
		sentState string
	}{
		{"of a length that is announced", func(r *http.Request) *http.Request { return r }, "body_too_large", "unread"},
		{"in chunks", func(r *http.Request) *http.Request { r.ContentLength = -1; return r }, "body_too_large", "unread"},
		{"without headers", func(r *http.Request) *http.Request { r.Header.Del("Svix-Id"); return r }, "missing_header", "unread"},
		{"by another method", func(r *http.Request) *http.Request { r.Method = http.MethodPut; return r }, "method_not_allowed", "unread"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if a := testcaddy.Send(t, d.client, test.request(d.request(t, message{body: large}))); a.StatusCode != http.StatusOK {
				t.Errorf("the sender got %d", a.StatusCode)
			}
			if got := testcaddy.OnlyRequest(t, backend); string(got.Payload) != large {
				t.Errorf("the backend got %d other bytes", len(got.Payload))
			}
			if e := d.last(t); e.Reason != test.reason || e.Status != http.StatusOK || e.Request.Body.State != test.sentState || e.State != "done" {
				t.Errorf("recorded %+v", e)
			}
		})
	}
}

func TestInspectLetsAnswersFlow(t *testing.T) {
	goOn := make(chan struct{})
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "first line\n")
		_ = http.NewResponseController(w).Flush()
		<-goOn
		_, _ = io.WriteString(w, "second line\n")
	})
	for _, options := range []string{"", "deduplicate"} {
		t.Run(options, func(t *testing.T) {
			d := openDesk(t, options, "reverse_proxy "+backend.Address+" {\nflush_interval -1\n}")
			res, err := d.client.Do(d.request(t, message{body: testcaddy.UserCreated}))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			lines := bufio.NewReader(res.Body)
			if line, err := lines.ReadString('\n'); line != "first line\n" {
				t.Fatalf("first comes %q, %v", line, err)
			}
			if e := d.last(t); e.State != "pending" {
				t.Errorf("half answered it is %s", e.State)
			}
			goOn <- struct{}{}
			if line, err := lines.ReadString('\n'); line != "second line\n" {
				t.Errorf("then comes %q, %v", line, err)
			}
			d.awaitDone(t)
			if e := d.last(t); e.Answer.Body.Text != "first line\nsecond line\n" {
				t.Errorf("recorded %+v", e.Answer)
			}
		})
	}
}

// awaitDone returns when the newest entry is done: the sender has its answer a
// moment before that.
func (d *desk) awaitDone(t testing.TB) {
	t.Helper()
	l := d.listen(t, d.cursorOfAll(t))
	defer l.close()
	l.nextDone(t)
}

// cursorOfAll returns the cursor before the first change.
func (d *desk) cursorOfAll(t testing.TB) string {
	t.Helper()
	var status struct{ Run string }
	d.call(t, http.MethodGet, "api/status", nil, http.StatusOK, &status)
	return status.Run + "-0"
}

func TestInspectPassesOnEarlyHintsAndTrailers(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "made")
		w.Header().Set("X-Sum", "7")
	})
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	var hints []int
	r := d.request(t, message{body: testcaddy.UserCreated})
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
		hints = append(hints, code)
		return nil
	}}))
	a := testcaddy.Send(t, d.client, r)
	if fmt.Sprint(hints) != "[103]" || a.StatusCode != http.StatusCreated || a.Trailer.Get("X-Sum") != "7" {
		t.Errorf("the sender got %v, %d, %v", hints, a.StatusCode, a.Trailer)
	}
	if e := d.last(t); e.Answer.Status != http.StatusCreated || e.Answer.Body.Text != "made" {
		t.Errorf("recorded %+v", e.Answer)
	}
}

func TestInspectLetsSendersWaitToBeAskedForTheBody(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	r := d.request(t, message{body: testcaddy.UserCreated})
	r.Header.Set("Expect", "100-continue")
	asked := false
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{Got100Continue: func() { asked = true }}))
	if a := testcaddy.Send(t, d.client, r); !asked || a.StatusCode != http.StatusOK {
		t.Errorf("asked: %v, %d", asked, a.StatusCode)
	}
	if e := d.last(t); e.Outcome != "forwarded" || e.Request.Body.Text != testcaddy.UserCreated {
		t.Errorf("recorded %+v", e)
	}
}

func TestInspectLetsConnectionsBeUpgraded(t *testing.T) {
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("echo " + line)
		_ = rw.Flush()
	})
	d := openDesk(t, "report_only", "reverse_proxy "+backend.Address)
	conn, err := net.Dial("tcp", d.hooks)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", hookPath, d.hooks)
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d", res.StatusCode)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); line != "echo hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
	conn.Close()
	d.awaitDone(t)
	if e := d.last(t); e.Answer.State != "answered" || e.Answer.Status != http.StatusSwitchingProtocols {
		t.Errorf("recorded %+v", e.Answer)
	}
}

func TestInspectAndCompressedAnswers(t *testing.T) {
	text := strings.Repeat("compressible ", 1000)
	for _, test := range []struct{ name, front, behind string }{
		{"in front", "encode gzip", "respond \"" + text + "\""},
		{"behind", "", "encode gzip\nrespond \"" + text + "\""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			config := strings.Replace(d.caddyfile("", test.behind), "clerk_webhook {", "route {\n"+test.front+"\nclerk_webhook {", 1)
			config = strings.Replace(config, "\t}\n}\nhttp://", "\t}\n}\n}\nhttp://", 1)
			d.load(t, config)
			r := d.request(t, message{body: testcaddy.UserCreated, header: http.Header{"Accept-Encoding": {"gzip"}}})
			res, err := d.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			unzipped, err := gzip.NewReader(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(unzipped); string(got) != text {
				t.Errorf("the sender got %d bytes, %v", len(got), err)
			}
			e := d.last(t)
			if isZipped := fieldOf(e.Answer.Headers, "Content-Encoding").Value == "gzip"; isZipped != (test.name == "behind") || isZipped == (e.Answer.Body.Text == text) {
				t.Errorf("recorded %+v", e.Answer)
			}
		})
	}
}

func TestInspectRecordsWhenTheSenderHangsUp(t *testing.T) {
	for _, test := range []struct {
		options string
		status  int
	}{
		{"", 499},            // as Caddy calls it
		{"deduplicate", 202}, // whose handlers go on
	} {
		t.Run(test.options, func(t *testing.T) {
			arrived, goOn := make(chan struct{}), make(chan struct{})
			backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
				close(arrived)
				select {
				case <-goOn:
				case <-r.Context().Done():
				}
				w.WriteHeader(http.StatusAccepted)
			})
			d := openDesk(t, test.options, "reverse_proxy "+backend.Address)
			ctx, hangUp := context.WithCancel(t.Context())
			go func() {
				<-arrived
				hangUp()
			}()
			if res, err := d.client.Do(d.request(t, message{body: testcaddy.UserCreated}).WithContext(ctx)); err == nil {
				res.Body.Close()
				t.Fatal("the sender got an answer")
			}
			if test.options != "" {
				close(goOn)
			}
			d.awaitDone(t)
			if e := d.last(t); e.Status != test.status || e.Outcome != "forwarded" {
				t.Errorf("recorded %+v", e)
			}
		})
	}
}
