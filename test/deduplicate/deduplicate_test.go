package deduplicate_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const (
	duplicateDone       = "duplicate done"
	duplicateInProgress = "duplicate in_progress"
)

// inEveryStore runs a test with each store. storage is a global option that
// keeps Caddy's storage in one place over reloads and restarts.
func inEveryStore(t *testing.T, test func(t *testing.T, store, storage string)) {
	for _, store := range []string{"memory", "storage"} {
		t.Run(store, func(t *testing.T) {
			test(t, store, fixedStorage(t))
		})
	}
}

func fixedStorage(t testing.TB) string {
	t.Helper()
	return fmt.Sprintf("storage file_system %q", testcaddy.StorageDir(t))
}

// once returns a site whose guard forwards each delivery once.
func once(address, deduplicate, behind string) string {
	return "http://" + address + " {\nclerk_webhook {\nsecret " + testcaddy.Secret + "\ndeduplicate " + deduplicate + "\n}\n" + behind + testcaddy.Labelled + "}\n"
}

// copyOf returns an attempt to deliver the message of the id, signed now.
func copyOf(t testing.TB, url, secret, id string) *http.Request {
	t.Helper()
	r := testcaddy.SignedRequest(t, url, secret, testcaddy.UserCreated)
	timestamp, signature := testcaddy.Sign(t, secret, id, time.Now(), testcaddy.UserCreated)
	r.Header.Set("Svix-Id", id)
	r.Header.Set("Svix-Timestamp", timestamp)
	r.Header.Set("Svix-Signature", signature)
	return r
}

// deliver sends a copy of the message of the id.
func deliver(t testing.TB, address, id string) testcaddy.Answer {
	t.Helper()
	return testcaddy.Send(t, testcaddy.NewConnections, copyOf(t, "http://"+address, testcaddy.Secret, id))
}

// deliverAsync sends a copy without waiting for the answer.
func deliverAsync(t testing.TB, address, id string) <-chan testcaddy.Answer {
	t.Helper()
	r := copyOf(t, "http://"+address, testcaddy.Secret, id)
	answers := make(chan testcaddy.Answer, 1)
	go func() {
		defer close(answers)
		res, err := testcaddy.NewConnections.Do(r)
		if err != nil {
			t.Errorf("delivering %s: %v", id, err)
			return
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Errorf("reading the answer to %s: %v", id, err)
		}
		answers <- testcaddy.Answer{Response: res, Text: string(text)}
	}()
	return answers
}

// gate lets the handler of a backend tell that it has begun and wait until it
// may end, which is when the test ends at the latest.
type gate struct {
	begun, end chan struct{}
	test       context.Context
}

func newGate(t testing.TB) *gate {
	return &gate{begun: make(chan struct{}, 100), end: make(chan struct{}), test: t.Context()}
}

func (g *gate) open() { close(g.end) }

func (g *gate) pass() {
	g.begun <- struct{}{}
	select {
	case <-g.end:
	case <-g.test.Done():
	}
}

// runChangeable starts a site that forwards each delivery once, to a backend
// that does what change has told it last.
func runChangeable(t *testing.T) (site *testcaddy.Site, change func(http.HandlerFunc)) {
	t.Helper()
	var handler atomic.Pointer[http.HandlerFunc]
	backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) { (*handler.Load())(w, r) })
	site = testcaddy.RunSite(t, "clerk_webhook {\nsecret "+testcaddy.Secret+"\ndeduplicate\n}\nreverse_proxy "+backend.Address+" {\nflush_interval -1\n}"+testcaddy.Labelled, "")
	return site, func(h http.HandlerFunc) { handler.Store(&h) }
}

func TestCopyOfADoneDeliveryIsAnsweredHere(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			fmt.Fprint(w, "handled")
		})
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, once(address, store, "reverse_proxy "+backend.Address), storage)

		first := deliver(t, address, "msg_1")
		first.Check(t, http.StatusAccepted, "forwarded")
		if first.Text != "handled" {
			t.Errorf("the answer is %q", first.Text)
		}
		testcaddy.OnlyRequest(t, backend)
		for range 3 {
			second := deliver(t, address, "msg_1")
			second.Check(t, http.StatusOK, duplicateDone)
			checkDuplicateText(t, second)
		}
		testcaddy.WantNothing(t, backend)
		deliver(t, address, "msg_2").Check(t, http.StatusAccepted, "forwarded")
		testcaddy.OnlyRequest(t, backend)
	})
}

// checkDuplicateText checks what a person reads in the list of attempts.
func checkDuplicateText(t testing.TB, a testcaddy.Answer) {
	t.Helper()
	var at string
	if _, err := fmt.Sscanf(a.Text, "Duplicate: this delivery was handled at %s and not forwarded again.", &at); err != nil {
		t.Fatalf("the answer is %q: %v", a.Text, err)
	}
	handled, err := time.Parse(time.RFC3339, at)
	if age := time.Since(handled); err != nil || age < -time.Second || age > time.Minute {
		t.Errorf("it was handled at %q: %v", at, err)
	}
	if got := a.Header.Get("Content-Type"); got != "text/plain; charset=utf-8" {
		t.Errorf("the answer is of type %q", got)
	}
}

func TestCopyOfADeliveryUnderWayHasToWait(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		g := newGate(t)
		backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, once(address, store, "reverse_proxy "+backend.Address), storage)

		first := deliverAsync(t, address, "msg_1")
		<-g.begun
		second := deliver(t, address, "msg_1")
		second.Check(t, http.StatusConflict, duplicateInProgress)
		if !strings.Contains(second.Text, "is being handled") || !strings.Contains(second.Text, "if the delivery does not show as delivered, send it again in two minutes") {
			t.Errorf("the answer is %q", second.Text)
		}
		other := deliverAsync(t, address, "msg_2")
		<-g.begun // another message does not wait
		g.open()
		(<-first).Check(t, http.StatusOK, "forwarded")
		(<-other).Check(t, http.StatusOK, "forwarded")
		deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
		if n := len(backend.Take()); n != 2 {
			t.Errorf("%d requests reached the backend, want 2", n)
		}
	})
}

// Of many copies at the same time one is forwarded.
func TestCopiesAtOnce(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		g := newGate(t)
		backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, once(address, store, "reverse_proxy "+backend.Address), storage)

		var statuses sync.Map
		var senders sync.WaitGroup
		var waiting atomic.Int32
		const copies = 50
		for range copies {
			r := copyOf(t, "http://"+address, testcaddy.Secret, "msg_1")
			senders.Go(func() {
				res, err := testcaddy.NewConnections.Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				res.Body.Close()
				count, _ := statuses.LoadOrStore(res.StatusCode, new(atomic.Int32))
				count.(*atomic.Int32).Add(1)
				if waiting.Add(1) == copies-1 { // all but the one that is forwarded
					g.open()
				}
			})
		}
		senders.Wait()
		for status, want := range map[int]int32{http.StatusOK: 1, http.StatusConflict: copies - 1} {
			if got, ok := statuses.Load(status); !ok || got.(*atomic.Int32).Load() != want {
				t.Errorf("status %d: want %d times, got %v", status, want, got)
			}
		}
		testcaddy.OnlyRequest(t, backend)
	})
}

// Whatever is not a 2xx of a handler lets the retry pass at once.
func TestFailedDeliveryIsForwardedAgain(t *testing.T) {
	tests := map[string]struct {
		answer http.HandlerFunc
		status int // 0 where the answer is broken off
	}{
		"500":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, 500},
		"400":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(400) }, 400},
		"410":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, 410},
		"302":      {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/login", 302) }, 302},
		"304":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }, 304},
		"an abort": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502},
		"an abort in the middle of a 200": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000000")
			_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			inEveryStore(t, func(t *testing.T, store, storage string) {
				var working atomic.Bool
				backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, r *http.Request) {
					if !working.Load() {
						test.answer(w, r)
					}
				})
				address := testcaddy.FreeAddress(t)
				testcaddy.Run(t, once(address, store, "reverse_proxy "+backend.Address), storage)
				for range 2 {
					deliverFailing(t, address, test.status)
					testcaddy.OnlyRequest(t, backend)
				}
				working.Store(true)
				deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
				deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
				testcaddy.OnlyRequest(t, backend)
			})
		})
	}
}

func deliverFailing(t testing.TB, address string, status int) {
	t.Helper()
	res, err := testcaddy.NoRedirects.Do(copyOf(t, "http://"+address, testcaddy.Secret, "msg_1"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	if broken := err != nil; broken != (status == 0) {
		t.Errorf("reading the answer: %v", err)
	}
	if status != 0 {
		testcaddy.Answer{Response: res}.Check(t, status, "forwarded")
	}
}

func TestBackendThatIsDown(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		address, upstream := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
		testcaddy.Run(t, once(address, store, "reverse_proxy "+upstream), storage)
		for range 2 {
			deliver(t, address, "msg_1").Check(t, http.StatusBadGateway, "forwarded")
		}
		listener, err := net.Listen("tcp", upstream)
		if err != nil {
			t.Fatal(err)
		}
		server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
		t.Cleanup(func() { _ = server.Close() })
		go func() { _ = server.Serve(listener) }()
		deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
		deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
	})
}

// What handlers of Caddy itself do, other than reverse_proxy.
func TestWhatCountsAsDone(t *testing.T) {
	for _, test := range []struct {
		name   string
		handle func(w http.ResponseWriter, r *http.Request) error
		done   bool
	}{
		{"200", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(200); return nil }, true},
		{"204", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(204); return nil }, true},
		{"299", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(299); return nil }, true},
		{"a body without a status", func(w http.ResponseWriter, _ *http.Request) error { _, err := w.Write([]byte("ok")); return err }, true},
		{"an empty body that is written", func(w http.ResponseWriter, _ *http.Request) error { _, err := w.Write(nil); return err }, true},
		{"a body that is copied", func(w http.ResponseWriter, _ *http.Request) error {
			_, err := io.Copy(w, io.LimitReader(strings.NewReader("ok"), 2))
			return err
		}, true},
		{"a flush without a status", func(w http.ResponseWriter, _ *http.Request) error { return http.NewResponseController(w).Flush() }, true},
		{"103, then 200", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(103)
			w.WriteHeader(200)
			return nil
		}, true},
		{"103, then 500", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(103)
			w.WriteHeader(500)
			return nil
		}, false},
		{"103 and nothing else", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(103); return nil }, false},
		{"500, then 200", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(500)
			w.WriteHeader(200)
			return nil
		}, false},
		{"300", func(w http.ResponseWriter, _ *http.Request) error { w.WriteHeader(300); return nil }, false},
		{"nothing", func(http.ResponseWriter, *http.Request) error { return nil }, false},
		{"an error", func(http.ResponseWriter, *http.Request) error { return errors.New("broken") }, false},
		{"a 200 and an error", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			return errors.New("broken")
		}, false},
		{"a panic", func(http.ResponseWriter, *http.Request) error { panic(http.ErrAbortHandler) }, false},
		{"a panic after a 200", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(200)
			panic(http.ErrAbortHandler)
		}, false},
		{"a 200 and then a hijacked connection", func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusOK)
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			return conn.Close()
		}, false},
		{"a hijacked connection", func(w http.ResponseWriter, _ *http.Request) error {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return err
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			return conn.Close()
		}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			inEveryStore(t, func(t *testing.T, store, storage string) {
				var handled atomic.Int32
				testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
					handled.Add(1)
					return test.handle(w, r)
				})
				address := testcaddy.FreeAddress(t)
				testcaddy.Run(t, once(address, store, "test_handler"), storage)
				want := int32(3)
				if test.done {
					want = 1
				}
				for range 3 {
					deliverAnyhow(t, address)
				}
				if got := handled.Load(); got != want {
					t.Errorf("it was handled %d times, want %d", got, want)
				}
			})
		})
	}
}

// deliverAnyhow sends a copy of msg_1 for which no other has to wait, whether or
// not there is an answer. A handler that took the connection over may not have
// returned when its peer has all of the answer.
func deliverAnyhow(t testing.TB, address string) {
	t.Helper()
	testcaddy.Await(t, "the delivery before to end", func() bool {
		res, err := testcaddy.NoRedirects.Do(copyOf(t, "http://"+address, testcaddy.Secret, "msg_1"))
		if err != nil {
			return true
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return testcaddy.Answer{Response: res}.Guard() != duplicateInProgress
	})
}

// Caddy would answer a delivery that no handler has answered with an empty 200. Svix
// would treat that as delivered, and the delivery would be lost.
func TestDeliveryThatNoHandlerAnswersIsNotLost(t *testing.T) {
	for name, deduplicate := range map[string]string{"with deduplicate": "deduplicate", "without": ""} {
		t.Run(name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nname "+testcaddy.NewEndpoint()+"\nsecret "+testcaddy.Secret+"\n"+deduplicate+"\n}\n"+testcaddy.Labelled+"}\n")
			for range 2 { // the second is not taken for a copy of what is done
				a := deliver(t, address, "msg_1")
				a.Check(t, http.StatusBadGateway, "forwarded")
			}
			entries := testcaddy.Log.Entries(t, "deliveries not answered")
			if len(entries) != 1 || entries[0]["level"] != "warn" || fmt.Sprint(entries[0]["latest"]) != "map[id:msg_1]" {
				t.Errorf("the log has %v, want one warning in the first minute", entries)
			}
		})
	}
}

// A handler that takes the connection over works as without the guard, and tells
// nothing about the delivery.
func TestUpgradedConnectionIsNotDone(t *testing.T) {
	testcaddy.Behave(func(w http.ResponseWriter, r *http.Request) error {
		if r.Header.Get("Connection") != "Upgrade" {
			w.WriteHeader(http.StatusOK)
			return nil
		}
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString("echo " + line)
		return rw.Flush()
	})
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, once(address, "", "test_handler"))
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := copyOf(t, "http://"+address, testcaddy.Secret, "msg_1")
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	if err := r.Write(conn); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	res, err := http.ReadResponse(reader, r)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %d", res.StatusCode)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := reader.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("the connection goes on: %v", err)
	}
	conn.Close()
	awaitStatus(t, testcaddy.NewConnections, "http://"+address, "msg_1", "forwarded")
}

// An answer in pieces reaches the sender piece by piece, and the delivery is
// done at its end.
func TestStreamedAnswer(t *testing.T) {
	site, change := runChangeable(t)
	for i, client := range site.Clients {
		t.Run(client.Name, func(t *testing.T) {
			g, id := newGate(t), fmt.Sprint("msg_", i)
			change(func(w http.ResponseWriter, _ *http.Request) {
				fmt.Fprint(w, "first,")
				_ = http.NewResponseController(w).Flush()
				g.pass()
				fmt.Fprint(w, "second")
			})
			res, err := client.Do(copyOf(t, client.URL, testcaddy.Secret, id))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			first := make([]byte, len("first,"))
			if _, err := io.ReadFull(res.Body, first); err != nil {
				t.Fatal(err)
			}
			testcaddy.Send(t, client.Client, copyOf(t, client.URL, testcaddy.Secret, id)).Check(t, http.StatusConflict, duplicateInProgress)
			g.open()
			if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "second" {
				t.Errorf("the rest is %q, %v", rest, err)
			}
			awaitStatus(t, client.Client, client.URL, id, duplicateDone)
		})
	}
}

// awaitStatus sends copies until the guard's answer to one is as wanted: the
// handlers may end a moment after the sender has their whole answer, and some
// time after it has hung up. None may be forwarded.
func awaitStatus(t testing.TB, client *http.Client, url, id, guard string) {
	t.Helper()
	testcaddy.Await(t, guard, func() bool {
		got := testcaddy.Send(t, client, copyOf(t, url, testcaddy.Secret, id)).Guard()
		if got != guard && got != duplicateInProgress {
			t.Fatalf("a copy was %s, want %s", got, guard)
		}
		return got == guard
	})
}

// A sender that gives up leaves its delivery under way, and what then becomes of
// it counts, even if the answer is too large to be kept for a sender that is
// gone.
func TestDeliveryOutlivesItsSender(t *testing.T) {
	var messages int
	answers := map[string]struct {
		answer http.HandlerFunc
		guard  string
	}{
		"a small 200": {func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }, duplicateDone},
		"204":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, duplicateDone},
		"a large 200": {func(w http.ResponseWriter, _ *http.Request) { writeLarge(w) }, duplicateDone},
		"a large 200 of known length": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "20000000")
			writeLarge(w)
		}, duplicateDone},
		"a 200 in pieces": {func(w http.ResponseWriter, _ *http.Request) {
			for range 100 {
				fmt.Fprint(w, strings.Repeat("x", 1000))
				_ = http.NewResponseController(w).Flush()
			}
		}, duplicateDone},
		"500":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "forwarded"},
		"a large 500": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); writeLarge(w) }, "forwarded"},
		"an abort":    {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "forwarded"},
		"an abort in the middle of a 200": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "30000000")
			writeLarge(w)
			panic(http.ErrAbortHandler)
		}, "forwarded"},
	}
	site, change := runChangeable(t)
	for name, test := range answers {
		for _, client := range site.Clients {
			t.Run(name+"/"+client.Name, func(t *testing.T) {
				messages++
				g, id := newGate(t), fmt.Sprint("msg_", messages)
				var late atomic.Bool
				ended := make(chan struct{}, 100)
				change(func(w http.ResponseWriter, r *http.Request) {
					if late.Load() {
						return
					}
					defer func() { ended <- struct{}{} }()
					g.pass()
					if err := r.Context().Err(); err != nil {
						t.Errorf("the backend was told to stop: %v", err)
					}
					test.answer(w, r)
				})
				ctx, hangUp := context.WithCancel(t.Context())
				gone := make(chan error, 1)
				deliver := func() {
					_, err := client.Do(copyOf(t, client.URL, testcaddy.Secret, id).WithContext(ctx))
					gone <- err
				}
				for tries := 1; ; tries++ {
					go deliver()
					select {
					case <-g.begun:
					case err := <-gone: // a connection can be lost with its predecessor's
						if tries < 5 {
							continue
						}
						t.Fatalf("the sender got %v before the backend got its delivery", err)
					}
					break
				}
				hangUp()
				if err := <-gone; !errors.Is(err, context.Canceled) {
					t.Fatalf("the sender got %v", err)
				}
				testcaddy.Send(t, client.Client, copyOf(t, client.URL, testcaddy.Secret, id)).Check(t, http.StatusConflict, duplicateInProgress)
				late.Store(true)
				g.open()
				<-ended
				awaitStatus(t, client.Client, client.URL, id, test.guard)
			})
		}
	}
}

// writeLarge writes 20 MB, more than all buffers on the way hold.
func writeLarge(w io.Writer) {
	piece := bytes.Repeat([]byte("x"), 20_000)
	for range 1000 {
		if _, err := w.Write(piece); err != nil {
			return
		}
	}
}

func TestReloadBetweenCopies(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		config := once(address, store, "reverse_proxy "+backend.Address)
		testcaddy.Run(t, config, storage)
		deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
		testcaddy.OnlyRequest(t, backend)
		for range 3 {
			testcaddy.Reload(t, config, storage)
			deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
		}
		testcaddy.WantNothing(t, backend)
	})
}

func TestReloadInTheMiddleOfADelivery(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		g := newGate(t)
		backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
		address := testcaddy.FreeAddress(t)
		config := once(address, store, "reverse_proxy "+backend.Address)
		testcaddy.Run(t, config, storage)
		first := deliverAsync(t, address, "msg_1")
		<-g.begun
		for range 2 {
			testcaddy.Reload(t, config, storage)
			deliver(t, address, "msg_1").Check(t, http.StatusConflict, duplicateInProgress)
		}
		g.open()
		(<-first).Check(t, http.StatusOK, "forwarded")
		deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
		testcaddy.OnlyRequest(t, backend)
	})
}

// A graceful stop lets a delivery end, and in the storage it is marked as done.
func TestStopAndStart(t *testing.T) {
	for _, test := range []struct{ name, store, after string }{
		{"memory forgets", "memory", "forwarded"},
		{"storage remembers", "storage", duplicateDone},
	} {
		for _, underWay := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/under way %v", test.name, underWay), func(t *testing.T) {
				g := newGate(t)
				backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
				address, storage := testcaddy.FreeAddress(t), fixedStorage(t)
				config := once(address, test.store, "reverse_proxy "+backend.Address)
				testcaddy.Run(t, config, storage)
				first := deliverAsync(t, address, "msg_1")
				<-g.begun
				if !underWay {
					g.open()
					(<-first).Check(t, http.StatusOK, "forwarded")
				}
				if err := caddy.Stop(); err != nil {
					t.Fatal(err)
				}
				if underWay {
					g.open()
					(<-first).Check(t, http.StatusOK, "forwarded")
				}
				testcaddy.Reload(t, config, storage)
				deliver(t, address, "msg_1").Check(t, http.StatusOK, test.after)
			})
		}
	}
}

// The same message goes to several endpoints under one id, each of which has
// its own secret.
func TestIDsAreScopedBySecret(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		guard := func(secrets string) string {
			return "clerk_webhook {\n" + secrets + "\ndeduplicate " + store + "\n}\nreverse_proxy " + backend.Address
		}
		testcaddy.Run(t, "http://"+address+" {\n"+
			"handle /both {\n"+guard("secret "+testcaddy.Secret+"\nsecret "+testcaddy.OtherSecret)+"\n}\n"+
			"handle /reversed {\n"+guard("secret "+testcaddy.OtherSecret+"\nsecret "+testcaddy.Secret)+"\n}\n"+
			"handle /other {\n"+guard("name other\nsecret "+testcaddy.OtherSecret)+"\n}\n"+testcaddy.Labelled+"}", storage)
		for _, step := range []struct{ path, secret, guard string }{
			{"/both", testcaddy.Secret, "forwarded"},
			{"/both", testcaddy.OtherSecret, "forwarded"},
			{"/both", testcaddy.Secret, duplicateDone},
			{"/both", testcaddy.OtherSecret, duplicateDone},
			{"/reversed", testcaddy.Secret, duplicateDone}, // whatever the position or the name
			{"/other", testcaddy.OtherSecret, duplicateDone},
		} {
			testcaddy.Send(t, testcaddy.NewConnections, copyOf(t, "http://"+address+step.path, step.secret, "msg_1")).Check(t, http.StatusOK, step.guard)
		}
	})
}

// Only what is forwarded is remembered.
func TestFilteredAndRejectedAreNotRemembered(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		backend := testcaddy.NewBackend(t, nil)
		address := testcaddy.FreeAddress(t)
		config := func(events string) string {
			return "http://" + address + " {\nclerk_webhook {\nsecret " + testcaddy.Secret + "\nevents " + events + "\ndeduplicate " + store + "\n}\nreverse_proxy " + backend.Address + testcaddy.Labelled + "}"
		}
		testcaddy.Run(t, config("organization.*"), storage)
		for range 2 {
			deliver(t, address, "msg_1").Check(t, http.StatusNoContent, "filtered")
			forged := copyOf(t, "http://"+address, testcaddy.OtherSecret, "msg_2")
			testcaddy.Send(t, testcaddy.NewConnections, forged).Check(t, http.StatusForbidden, "rejected signature_mismatch")
		}
		testcaddy.Reload(t, config("*"), storage)
		for _, id := range []string{"msg_1", "msg_2"} {
			deliver(t, address, id).Check(t, http.StatusOK, "forwarded")
			deliver(t, address, id).Check(t, http.StatusOK, duplicateDone)
		}
		testcaddy.Reload(t, config("organization.*"), storage)
		deliver(t, address, "msg_1").Check(t, http.StatusNoContent, "filtered") // the cheaper answer comes first
	})
}

func TestDuplicatesInReportOnlyMode(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, once(address, "\nreport_only", "reverse_proxy "+backend.Address))
	forged := func() *http.Request { return copyOf(t, "http://"+address, testcaddy.OtherSecret, "msg_1") }
	testcaddy.Send(t, testcaddy.NewConnections, forged()).Check(t, http.StatusOK, "rejected signature_mismatch")
	deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
	deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
	testcaddy.Send(t, testcaddy.NewConnections, forged()).Check(t, http.StatusOK, "rejected signature_mismatch")
	if n := len(backend.Take()); n != 3 {
		t.Errorf("%d requests reached the backend, want 3: the genuine one and two forgeries", n)
	}
}

// The second guard on a request's way does not treat it as a copy of itself.
func TestTwoGuardsInARow(t *testing.T) {
	inEveryStore(t, func(t *testing.T, store, storage string) {
		guard := func(name string) string {
			return "clerk_webhook {\nname " + name + "\nsecret " + testcaddy.Secret + "\ndeduplicate " + store + "\n}\n"
		}
		var working atomic.Bool
		backend := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) {
			if !working.Load() {
				w.WriteHeader(500)
			}
		})
		address := testcaddy.FreeAddress(t)
		testcaddy.Run(t, "http://"+address+" {\nroute {\n"+guard("outer")+guard("inner")+"reverse_proxy "+backend.Address+"\n}\n"+testcaddy.Labelled+"}", storage)
		deliver(t, address, "msg_1").Check(t, http.StatusInternalServerError, "forwarded")
		working.Store(true)
		deliver(t, address, "msg_1").Check(t, http.StatusOK, "forwarded")
		deliver(t, address, "msg_1").Check(t, http.StatusOK, duplicateDone)
		if n := len(backend.Take()); n != 2 {
			t.Errorf("%d requests reached the backend, want 2", n)
		}
	})
}

func TestDuplicatesArePlaceholdersMetricsAndLogLines(t *testing.T) {
	g := newGate(t)
	backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { g.pass() })
	address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
	testcaddy.Run(t, testcaddy.Measured(address, "header X-Told \""+testcaddy.EveryPlaceholder+"\" {\ndefer\n}\n"+
		"clerk_webhook {\nname "+endpoint+"\nsecret main "+testcaddy.Secret+"\ndeduplicate\n}\nreverse_proxy "+backend.Address))
	told := func(outcome string, a testcaddy.Answer) {
		t.Helper()
		want := "outcome=" + outcome + " verified=true id=msg_1 timestamp=" + a.Request.Header.Get("Svix-Timestamp") + " type=user.created secret=main payload=user_1"
		if got := strings.Join(strings.Fields(a.Header.Get("X-Told")), " "); got != want {
			t.Errorf("got\n%s, want\n%s", got, want)
		}
	}
	first := deliverAsync(t, address, "msg_1")
	<-g.begun
	told("duplicate reason=in_progress", deliver(t, address, "msg_1"))
	told("duplicate reason=in_progress", deliver(t, address, "msg_1"))
	g.open()
	told("forwarded reason=", <-first)
	told("duplicate reason=done", deliver(t, address, "msg_1"))

	got := testcaddy.SamplesOf(testcaddy.Scrape(t, address), endpoint)
	delete(got, testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, "main"))
	testcaddy.WantSamples(t, got, map[string]float64{
		testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, "main"):                4,
		testcaddy.DeliveriesLabels(endpoint, "forwarded", "", "user.created"):            1,
		testcaddy.DeliveriesLabels(endpoint, "duplicate", "in_progress", "user.created"): 2,
		testcaddy.DeliveriesLabels(endpoint, "duplicate", "done", "user.created"):        1,
	})
	outcomes := make(map[string]int)
	for _, entry := range testcaddy.Log.Entries(t, "delivery verified") {
		reason, _ := entry["reason"].(string)
		outcomes[strings.TrimSpace(entry["outcome"].(string)+" "+reason)]++
	}
	if want := map[string]int{"forwarded": 1, duplicateInProgress: 2, duplicateDone: 1}; fmt.Sprint(outcomes) != fmt.Sprint(want) {
		t.Errorf("the log has %v, want %v", outcomes, want)
	}
}
