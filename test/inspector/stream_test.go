package inspector_test

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// listener reads a live stream.
type listener struct {
	lines *bufio.Scanner
	close func()
}

type streamEvent struct {
	id, name, data string
}

// listen opens the stream. The first event of a new one only tells the cursor.
func (d *desk) listen(t testing.TB, lastEventID string) *listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(d.scheme, "http")+"://"+d.inspector+"/api/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	if lastEventID != "" {
		r.Header.Set("Last-Event-ID", lastEventID)
	}
	res, err := d.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		t.Fatalf("%d %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	l := &listener{lines: bufio.NewScanner(res.Body), close: func() { cancel(); res.Body.Close() }}
	t.Cleanup(l.close)
	return l
}

// next returns the next event, and false when the stream has ended.
func (l *listener) next() (e streamEvent, ok bool) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			return e, true
		}
	}
	return e, false
}

// nextEntry returns the next event, which must be of an entry.
func (l *listener) nextEntry(t testing.TB) (entry, string) {
	t.Helper()
	e, ok := l.next()
	var one entry
	if !ok || e.name != "entry" {
		t.Fatalf("the stream goes on with %+v, %v", e, l.lines.Err())
	}
	if err := json.Unmarshal([]byte(e.data), &one); err != nil {
		t.Fatal(err)
	}
	return one, e.id
}

// nextDone skips what is not answered yet.
func (l *listener) nextDone(t testing.TB) (entry, string) {
	t.Helper()
	for {
		if e, id := l.nextEntry(t); e.State == "done" {
			return e, id
		}
	}
}

func TestStreamTellsWhatHappens(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	l := d.listen(t, "")
	if first, ok := l.next(); !ok || first.id == "" || first.data != "" {
		t.Fatalf("first comes %+v", first)
	}
	d.deliver(t, message{id: "msg_a", body: testcaddy.UserCreated})
	if e, _ := l.nextDone(t); e.MessageID != "msg_a" || e.Status != 200 {
		t.Errorf("%+v", e)
	}
	d.deliver(t, message{id: "msg_b", body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	e, last := l.nextDone(t)
	if e.MessageID != "msg_b" || e.Outcome != "rejected" {
		t.Errorf("%+v", e)
	}
	l.close()

	d.deliver(t, message{id: "msg_c", body: testcaddy.UserCreated})
	resumed := d.listen(t, last)
	if e, _ := resumed.nextDone(t); e.MessageID != "msg_c" {
		t.Errorf("after the interruption comes %+v", e)
	}
	d.call(t, http.MethodDelete, "api/entries", nil, http.StatusOK, nil)
	if e, _ := resumed.next(); e.name != "clear" {
		t.Errorf("after clearing comes %+v", e)
	}
	d.deliver(t, message{id: "msg_d", body: testcaddy.UserCreated})
	if e, _ := resumed.nextDone(t); e.MessageID != "msg_d" {
		t.Errorf("after that comes %+v", e)
	}
}

func TestStreamStaysOpenWhileNothingHappens(t *testing.T) {
	directives := fmt.Sprintf("handle /hook {\nclerk_webhook {\nsecret production %s\ninspect\n}\nrespond ok\n}\nhandle {\nclerk_webhook_inspector\n}", testcaddy.Secret)
	site := testcaddy.RunSite(t, directives, "")
	var listeners []*listener
	for _, client := range site.Clients {
		scheme, address, _ := strings.Cut(client.URL, "://")
		d := &desk{inspector: address, scheme: scheme, client: client.Client}
		l := d.listen(t, "")
		l.next()
		listeners = append(listeners, l)
	}
	// Longer than a write may take: HTTP/2 resets a stream whose deadline for
	// writing has passed, also while nothing is written.
	<-time.After(2500 * time.Millisecond)
	testcaddy.Send(t, site.Clients[0].Client, testcaddy.SignedRequest(t, site.Clients[0].URL+"/hook", testcaddy.Secret, testcaddy.UserCreated))
	for i, l := range listeners {
		t.Run(site.Clients[i].Name, func(t *testing.T) {
			if e, _ := l.nextDone(t); e.Outcome != "forwarded" {
				t.Errorf("%+v", e)
			}
			l.close()
		})
	}
}

func TestStreamOfAnotherRunStartsAnew(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, cursor := range []string{"zzzzzz-3", "nonsense"} {
		if e, ok := d.listen(t, cursor).next(); !ok || e.name != "reset" {
			t.Errorf("%s: %+v", cursor, e)
		}
	}
}

func TestStreamShowsADeliveryTwice(t *testing.T) {
	goOn := make(chan struct{})
	backend := testcaddy.NewBackend(t, func(http.ResponseWriter, *http.Request) { <-goOn })
	d := openDesk(t, "", "reverse_proxy "+backend.Address)
	l := d.listen(t, "")
	l.next()
	r := d.request(t, message{body: testcaddy.UserCreated})
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if res, err := d.client.Do(r); err == nil {
			res.Body.Close()
		}
	}()
	pending, _ := l.nextEntry(t)
	close(goOn)
	done, _ := l.nextEntry(t)
	<-answered
	if pending.State != "pending" || done.State != "done" || pending.ID != done.ID {
		t.Errorf("first %s, then %s", pending.State, done.State)
	}
}

func TestStreamEndsWithTheConfiguration(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	l := d.listen(t, "")
	l.next()
	d.reload(t, "tolerance 4m", "respond ok")
	if e, ok := l.next(); !ok || e.name != "end" {
		t.Errorf("it goes on with %+v", e)
	}
	if e, ok := l.next(); ok {
		t.Errorf("after the end comes %+v", e)
	}
}

func TestReloadsLeaveNoGoroutineBehind(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	// What ends does so in the background: the lowest count of a second is the
	// one that matters.
	count := func() int {
		lowest := runtime.NumGoroutine()
		ticks := time.NewTicker(10 * time.Millisecond)
		defer ticks.Stop()
		for range 100 {
			<-ticks.C
			lowest = min(lowest, runtime.NumGoroutine())
		}
		return lowest
	}
	reload := func(i int) {
		l := d.listen(t, "")
		l.next()
		d.deliver(t, message{body: testcaddy.UserCreated})
		d.reload(t, fmt.Sprintf("tolerance %dm", 1+i%5), "respond ok")
		for ok := true; ok; {
			_, ok = l.next()
		}
		l.close()
	}
	reload(0)
	before := count()
	for i := range 10 {
		reload(i + 1)
	}
	if after := count(); after > before {
		stacks := make([]byte, 1<<20)
		t.Errorf("%d goroutines before ten reloads, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
	}
}

// TestSIGTERMEndsStreams runs Caddy in a process of its own, which is this test
// again.
func TestSIGTERMEndsStreams(t *testing.T) {
	const variable = "CLERK_WEBHOOK_TEST_CADDYFILE"
	if file := os.Getenv(variable); file != "" {
		os.Args = []string{"caddy", "run", "--config", file, "--adapter", "caddyfile"}
		caddycmd.Main()
		return
	}
	d := &desk{inspector: testcaddy.FreeAddress(t), client: &http.Client{Transport: &http.Transport{}}}
	file := t.TempDir() + "/Caddyfile"
	config := "{\nadmin off\npersist_config off\ngrace_period 1m\n}\nhttp://" + d.inspector + " {\nclerk_webhook_inspector\n}\n"
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	caddy := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSIGTERMEndsStreams$")
	caddy.Env = append(os.Environ(), variable+"="+file, "XDG_DATA_HOME="+t.TempDir(), "XDG_CONFIG_HOME="+t.TempDir())
	log, err := caddy.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(log)
	for isRunning := false; !isRunning && lines.Scan(); {
		isRunning = strings.Contains(lines.Text(), "serving initial configuration")
	}
	go func() { _, _ = io.Copy(io.Discard, log) }()

	l := d.listen(t, "")
	l.next()
	stuck := d.listen(t, "") // which never reads
	defer stuck.close()
	start := time.Now()
	if err := caddy.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if e, _ := l.next(); e.name != "end" {
		t.Errorf("the stream goes on with %+v", e)
	}
	if err := caddy.Wait(); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 3*testcaddy.AtOnce {
		t.Errorf("with open streams it took %s to stop", took)
	}
}
