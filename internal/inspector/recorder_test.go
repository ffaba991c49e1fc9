package inspector

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// newDelivery returns a request such as Clerk sends, as a server reads it from a
// connection. Its body has the size.
func newDelivery(id string, size int, query string) *http.Request {
	body := `{"data":"` + strings.Repeat("x", max(0, size-32)) + `","type":"user.created"}`
	lines := []string{
		"POST /webhooks/clerk?" + query + " HTTP/1.1",
		"Host: example.com",
		"Accept: */*",
		"Accept-Encoding: gzip",
		fmt.Sprint("Content-Length: ", len(body)),
		"Content-Type: application/json",
		"Svix-Id: " + id,
		"Svix-Signature: v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=",
		"Svix-Timestamp: 1614265330",
		"User-Agent: Svix-Webhooks/1.84.0 (sender-9YMgn; +https://www.svix.com/http-sender/)",
		"X-Forwarded-For: 198.51.100.7",
		"X-Forwarded-Proto: https",
		"", body,
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(strings.Join(lines, "\r\n"))))
	if err != nil {
		panic(err)
	}
	return r
}

// answerless is a response writer that keeps nothing.
type answerless struct{ header http.Header }

func (a answerless) Header() http.Header         { return a.header }
func (a answerless) WriteHeader(int)             {}
func (a answerless) Write(p []byte) (int, error) { return len(p), nil }

// record records one delivery as a guard does.
func recording(rc *Recorder, e *Endpoint, w http.ResponseWriter, r *http.Request, body []byte, v Decision) {
	x := rc.Begin(e, w, r)
	p := Progress{Decision: v, Body: body, IsRead: true}
	if v.Verified {
		x.Forwarded(p)
		x.Writer().Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(x.Writer(), "ok")
		x.End(p, nil)
		return
	}
	x.End(p, fmt.Errorf("not genuine"))
}

func decisionOf(id string, isVerified bool) Decision {
	v := Decision{Outcome: "forwarded", Verified: isVerified, MessageID: id, SignedAt: time.Now(), Type: "user.created", Secret: "production"}
	if !isVerified {
		v.Outcome, v.Reason, v.Type, v.Secret = rejected, "signature_mismatch", "", ""
	}
	return v
}

func liveHeap() int64 {
	runtime.GC()
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestRecorderKeepsToItsBounds(t *testing.T) {
	for _, test := range []struct {
		name         string
		size, answer int
		query        int
		serverName   int
		count, quick int // deliveries
		writers      int
		isFull       bool // in bytes, not in number
	}{
		{"small bodies", 200, 0, 0, 0, 50_000, 5_500, 1, false},
		{"usual bodies", 2 << 10, 100, 0, 0, 70_000, 5_500, 4, true},
		{"larger bodies", 6 << 10, 3 << 10, 0, 0, 25_000, 2_500, 4, true},
		{"large bodies", 100_000, 70_000, 0, 0, 2_000, 200, 4, true},
		{"bodies over the limit", 2 << 20, 0, 0, 0, 200, 40, 2, true},
		{"long request lines", 200, 0, 16 << 10, 0, 10_000, 1_600, 4, true},
		{"long names in TLS", 200, 0, 0, 250, 20_000, 1_000, 4, false},
		{"names in TLS that are too long for a host", 200, 0, 0, 60_000, 20_000, 500, 4, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			rc := NewRecorder()
			if !testcaddy.Long {
				test.count = test.quick
				for _, q := range []*queue{&rc.verified, &rc.rejected} {
					q.MaxEntries, q.MaxBytes = q.MaxEntries/4, q.MaxBytes/4
				}
			}
			e := &Endpoint{Name: "default"}
			before := liveHeap()
			var writers sync.WaitGroup
			for writer := range test.writers {
				writers.Go(func() {
					for i := range test.count / test.writers {
						id := fmt.Sprintf("msg_%d_%d", writer, i)
						r := newDelivery(id, test.size, strings.Repeat("q", test.query))
						r.RemoteAddr = fmt.Sprintf("198.51.100.7:%d", i%60_000)
						if test.serverName > 0 {
							r.TLS = &tls.ConnectionState{ServerName: strings.Repeat("n", test.serverName)}
						}
						body, _ := io.ReadAll(r.Body)
						v := decisionOf(id, i%2 == 0)
						x := rc.Begin(e, answerless{make(http.Header)}, r)
						p := Progress{Decision: v, Body: body, IsRead: true}
						if v.Verified {
							x.Forwarded(p)
							_, _ = x.Writer().Write(make([]byte, test.answer))
						}
						x.End(p, nil)
					}
				})
			}
			writers.Wait()
			heap := liveHeap() - before
			status := rc.status()
			kept := status.Verified.Bytes + status.Rejected.Bytes
			t.Logf("%d and %d kept: %d bytes accounted, %d on the heap", status.Verified.Entries, status.Rejected.Entries, kept, heap)
			for _, u := range []usage{status.Verified, status.Rejected} {
				if u.Bytes > u.MaxBytes || u.Entries > u.MaxEntries {
					t.Errorf("over the bounds: %+v", u)
				}
			}
			if bound := status.Verified.MaxBytes + status.Rejected.MaxBytes; heap > bound*12/10 || heap > kept*12/10 {
				t.Errorf("%d bytes on the heap for %d accounted", heap, kept)
			}
			if isFull := status.Verified.Bytes > status.Verified.MaxBytes*9/10; isFull != test.isFull {
				t.Errorf("%d bytes used of %d", status.Verified.Bytes, status.Verified.MaxBytes)
			}
			if got := status.Verified.Evicted + uint64(status.Verified.Entries) + status.Rejected.Evicted + uint64(status.Rejected.Entries); got != uint64(test.count) {
				t.Errorf("%d recorded, want %d", got, test.count)
			}
			runtime.KeepAlive(rc)
		})
	}
}

func TestRecorderFindsItsRecordings(t *testing.T) {
	rc := NewRecorder()
	rc.verified.MaxEntries, rc.rejected.MaxEntries = 50, 20
	e := &Endpoint{Name: "default"}
	for i := range 300 {
		id := fmt.Sprintf("msg_%d", i)
		recording(rc, e, answerless{make(http.Header)}, newDelivery(id, 100, ""), nil, decisionOf(id, i%3 != 0))
	}
	recordings := rc.snapshot().recordings
	if len(recordings) != 70 {
		t.Fatalf("%d are kept, want 70", len(recordings))
	}
	for i, r := range recordings {
		if i > 0 && recordings[i-1].seq >= r.seq {
			t.Errorf("%d comes after %d", r.seq, recordings[i-1].seq)
		}
		if rc.find(r.seq) != r {
			t.Errorf("%d is not found", r.seq)
		}
		if n, ok := rc.parseID(rc.id(r.seq)); !ok || n != r.seq {
			t.Errorf("the id of %d is read as %d", r.seq, n)
		}
	}
	if rc.find(1) != nil || rc.find(0) != nil || rc.find(1000) != nil {
		t.Error("it finds a recording that it does not have")
	}
}

func TestEvictedRecordingsNoLongerCount(t *testing.T) {
	rc := NewRecorder()
	for i := range 40 {
		id := fmt.Sprintf("msg_%d", i)
		recording(rc, &Endpoint{Name: "default"}, answerless{make(http.Header)}, newDelivery(id, 3000, ""), []byte("{}"), decisionOf(id, true))
	}
	rc.verified.MaxEntries = 1
	recording(rc, &Endpoint{Name: "default"}, answerless{make(http.Header)}, newDelivery("msg_last", 10, ""), []byte("{}"), decisionOf("msg_last", true))
	if got, want := rc.verified.Bytes, rc.verified.recordings[0].size(); len(rc.verified.recordings) != 1 || got != want {
		t.Errorf("%d records, %d bytes, want one of %d", len(rc.verified.recordings), got, want)
	}
}

func TestAnswersCountTowardsTheBounds(t *testing.T) {
	rc := NewRecorder()
	rc.verified.MaxBytes = 50_000
	e := &Endpoint{Name: "default"}
	for i := range 4 {
		id := fmt.Sprint("msg_", i)
		recording(rc, e, answerless{make(http.Header)}, newDelivery(id, 10, ""), make([]byte, 9_000), decisionOf(id, true))
	}
	v := decisionOf("msg_last", true)
	x := rc.Begin(e, answerless{make(http.Header)}, newDelivery(v.MessageID, 10, ""))
	p := Progress{Decision: v, Body: nil, IsRead: true}
	x.Forwarded(p)
	if rc.verified.Evicted > 0 {
		t.Fatal("there is no room for the delivery without its answer")
	}
	_, _ = x.Writer().Write(make([]byte, 20_000))
	x.End(p, nil)
	if s := &rc.verified; s.Bytes > s.MaxBytes || s.Evicted == 0 {
		t.Errorf("%d bytes are kept of %d, %d evicted", s.Bytes, s.MaxBytes, s.Evicted)
	}
}

func TestClearedDeliveryStaysClearedWhenItEnds(t *testing.T) {
	rc := NewRecorder()
	v := decisionOf("msg_1", true)
	x := rc.Begin(&Endpoint{Name: "default"}, answerless{make(http.Header)}, newDelivery("msg_1", 100, ""))
	p := Progress{Decision: v, Body: nil, IsRead: true}
	x.Forwarded(p)
	if rc.clear() != 1 {
		t.Error("it was not recorded")
	}
	x.End(p, nil)
	if n := len(rc.snapshot().recordings); n != 0 {
		t.Errorf("%d records are back", n)
	}
}

func TestSinceReturnsEveryChangeOnce(t *testing.T) {
	rc := NewRecorder()
	e := &Endpoint{Name: "default"}
	slow := rc.Begin(e, answerless{make(http.Header)}, newDelivery("msg_slow", 100, ""))
	p := Progress{Decision: decisionOf("msg_slow", true), Body: nil, IsRead: true}
	slow.Forwarded(p)
	cursor := rc.snapshot().version
	recording(rc, e, answerless{make(http.Header)}, newDelivery("msg_2", 100, ""), nil, decisionOf("msg_2", false))
	slow.End(p, nil)

	now := rc.snapshot()
	var got []string
	for _, r := range now.since(cursor) {
		got = append(got, r.decision.MessageID)
	}
	if strings.Join(got, " ") != "msg_2 msg_slow" {
		t.Errorf("changed: %v", got)
	}
	if rest := now.since(now.version); len(rest) != 0 {
		t.Errorf("%d changes came again", len(rest))
	}
}

// BenchmarkRecord measures what recording adds to a delivery of 2 KB.
func BenchmarkRecord(b *testing.B) {
	rc := NewRecorder()
	e := &Endpoint{Name: "default"}
	r := newDelivery("msg_2x1Zc9QvD8sPq3LkTzWmYbRnHjE", 2<<10, "")
	body, _ := io.ReadAll(r.Body)
	v := decisionOf("msg_2x1Zc9QvD8sPq3LkTzWmYbRnHjE", true)
	source := r.Body
	b.ReportAllocs()
	for b.Loop() {
		r.Body = source
		recording(rc, e, answerless{http.Header{"Server": {"Caddy"}}}, r, body, v)
	}
}
