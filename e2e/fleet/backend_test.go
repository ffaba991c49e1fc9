package fleet

import (
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// backend records each attempt that reaches it.
type backend struct {
	address string
	answer  func(w http.ResponseWriter, id string) (isCompleted bool) // nil for success

	mu       sync.Mutex
	attempts map[string][]attempt
}

func newBackend(t *testing.T, answer func(w http.ResponseWriter, id string) bool) *backend {
	t.Helper()
	b := &backend{answer: answer, attempts: make(map[string][]attempt)}
	server := httptest.NewServer(b)
	t.Cleanup(server.Close)
	b.address = strings.TrimPrefix(server.URL, "http://")
	return b
}

func (b *backend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := attempt{node: r.Header.Get("Node"), start: time.Now(), isCompleted: true}
	id := r.Header.Get("Svix-Id")
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	defer func() { // also when it drops the connection
		a.end = time.Now()
		b.mu.Lock()
		defer b.mu.Unlock()
		b.attempts[id] = append(b.attempts[id], a)
	}()
	if b.answer != nil {
		a.isCompleted = false
		a.isCompleted = b.answer(w, id)
	}
}

// recorded returns what has happened so far.
func (b *backend) recorded(id string) []attempt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.attempts[id]
}

// moody fails, drops connections, and takes longer than the sender waits and than
// a claim lasts, at random.
func moody(w http.ResponseWriter, _ string) (isCompleted bool) {
	switch chance := rand.IntN(1000); {
	case chance < 40:
		w.WriteHeader(http.StatusInternalServerError)
		return false
	case chance < 60:
		panic(http.ErrAbortHandler) // drops the connection
	case chance < 65:
		<-time.After(claim + 2*time.Second)
	case chance < 100:
		<-time.After(senderTimeout + 100*time.Millisecond)
	default:
		<-time.After(time.Duration(rand.IntN(20)) * time.Millisecond)
	}
	return true
}
