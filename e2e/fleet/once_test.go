package fleet

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"
)

// Copies that reach two instances at the same moment are handled once.
func TestCopiesAtOnce(t *testing.T) {
	const messages, copies = 60, 6
	for _, database := range databases {
		t.Run(database.name, func(t *testing.T) {
			_, address, url := database.start(t)
			b := newBackend(t, func(http.ResponseWriter, string) bool {
				<-time.After(50 * time.Millisecond)
				return true
			})
			var nodes []*node
			for _, name := range []string{"a", "b"} {
				nodes = append(nodes, newNode(t, name, database.name+" {env.STORE_URL}", fmt.Sprintf(url, address), t.TempDir(), b.address, 0))
			}
			s := newSender(t, nodes)
			var group sync.WaitGroup
			for i := range messages * copies {
				group.Go(func() {
					// A copy is a duplicate while another is handled, and after that.
					if status := s.attempt(t.Context(), nodes[i%2], fmt.Sprint("msg_", i/copies)); status != http.StatusOK && status != http.StatusConflict {
						t.Errorf("a copy got status %d", status)
					}
				})
			}
			group.Wait()
			once := 0
			for i := range messages {
				if n := len(b.recorded(fmt.Sprint("msg_", i))); n == 1 {
					once++
				}
			}
			t.Logf("%d of %d handled once", once, messages)
			if once != messages {
				t.Errorf("%d of %d were handled once, want all", once, messages)
			}
		})
	}
}

// svixRetry is how long Svix waits until it sends the second attempt.
const svixRetry = 5 * time.Second

// A claim of an instance that was killed does not hold up the retry. A fleet has
// another instance for it. Alone, the instance is started again.
func TestRetryAfterKillIsForwarded(t *testing.T) {
	stores := map[string]func(t *testing.T) (option, url string){
		"memory":  func(*testing.T) (string, string) { return "memory", "" },
		"storage": func(*testing.T) (string, string) { return "storage", "" },
	}
	for _, database := range databases {
		stores[database.name] = func(t *testing.T) (string, string) {
			_, address, url := database.start(t)
			return database.name + " {env.STORE_URL}", fmt.Sprintf(url, address)
		}
	}
	for name, store := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			option, url := store(t)
			arrived, hang := make(chan bool, 10), make(chan bool)
			b := newBackend(t, func(http.ResponseWriter, string) bool {
				arrived <- true
				<-hang
				return true
			})
			t.Cleanup(func() { close(hang) })
			storage := t.TempDir()
			first := newNode(t, "first", option, url, storage, b.address, 0)
			second := first
			if url != "" {
				second = newNode(t, "second", option, url, storage, b.address, 0)
			}
			s := newSender(t, []*node{first, second})
			go s.attempt(t.Context(), first, "msg_1")
			<-arrived
			first.kill()
			retry := time.After(svixRetry)
			if second == first {
				second.start(t)
			}
			<-retry
			go s.attempt(t.Context(), second, "msg_1")
			select {
			case <-arrived:
			case <-time.After(2 * time.Second):
				t.Errorf("the retry was not forwarded %s after the kill", svixRetry)
			}
		})
	}
}
