package ledger

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

// newNode returns a process that has just started and has this storage.
func newNode(storage certmagic.Storage) node {
	s := NewStorage(NewStorageProcess(), storage)
	s.SetWindow(window)
	n := newNodeWith(s, false)
	n.storage = s
	return n
}

func TestStorageRemembersOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		handled := time.Now()
		newNode(storage).expect(t, "1", stores.New).Done(t.Context())
		time.Sleep(time.Hour)
		_, state, at, err := newNode(storage).Claim(t.Context(), testKey("1"), "1")
		if state != stores.Done || at.Sub(handled).Abs() > time.Second || err != nil {
			t.Errorf("state %d at %s, error %v; want done at %s", state, at, err, handled)
		}
		time.Sleep(window - 2*time.Hour)
		newNode(storage).expect(t, "1", stores.Done)
		time.Sleep(2 * time.Hour)
		newNode(storage).expect(t, "1", stores.New).Release(t.Context())
		synctest.Wait()
	})
}

// A process that was killed leaves no claim behind.
func TestStorageHasNoClaims(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		killed := newNode(storage)
		killed.expect(t, "1", stores.New)
		killed.expect(t, "1", stores.InProgress)
		newNode(storage).expect(t, "1", stores.New)
		synctest.Wait()
		if names, _ := storage.List(t.Context(), recordsPrefix, true); len(names) != 1 || names[0] != cleanerName {
			t.Errorf("the storage has %v, want %s only", names, cleanerName)
		}
	})
}

// An id can be handled again after its window, and then has a record on another day
// too. The test repeats this because the days are read in any order.
func TestRecordThatIsOverDoesNotHideALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		const ids = 30
		for _, wait := range []time.Duration{0, window + time.Hour} {
			time.Sleep(wait)
			n := newNode(storage)
			for i := range ids {
				n.expect(t, fmt.Sprint(i), stores.New).Done(t.Context())
			}
			synctest.Wait()
		}
		n := newNode(storage)
		for i := range ids {
			n.expect(t, fmt.Sprint(i), stores.Done)
		}
		synctest.Wait()
	})
}

// A record that can be read counts, even if the record of another day cannot be
// read.
func TestDamagedRecordDoesNotHideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		n.expect(t, "1", stores.New).Done(t.Context())
		yesterday := n.storage.name(time.Now().Add(-day), testKey("1"))
		if err := storage.Store(t.Context(), yesterday, []byte("{")); err != nil {
			t.Fatal(err)
		}
		newNode(storage).expect(t, "1", stores.Done)
		synctest.Wait()
	})
}

func TestDamagedRecordIsAnErrorUntilItIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		if err := storage.Store(t.Context(), n.storage.name(time.Now(), testKey("1")), []byte("{")); err != nil {
			t.Fatal(err)
		}
		claim, state, _, err := n.Claim(t.Context(), testKey("1"), "1")
		if state != stores.New || !errors.Is(err, errUnreadable) {
			t.Fatalf("state %d, error %v; want a new delivery and an error", state, err)
		}
		claim.Release(t.Context())
		if known, err := n.Forget(t.Context(), testKey("1")); !known || err != nil {
			t.Errorf("forgetting: known %t, error %v", known, err)
		}
		n.expect(t, "1", stores.New)
		synctest.Wait()
	})
}

// Earlier versions wrote claims, too.
func TestClaimOfAnEarlierVersionIsIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		record := fmt.Sprintf(`{"claimed_until":%q,"claimed_by":"X"}`, time.Now().Add(time.Minute).Format(time.RFC3339Nano))
		if err := storage.Store(t.Context(), n.storage.name(time.Now(), testKey("1")), []byte(record)); err != nil {
			t.Fatal(err)
		}
		n.expect(t, "1", stores.New).Done(t.Context())
		newNode(storage).expect(t, "1", stores.Done)
		synctest.Wait()
	})
}

// brokenStorage fails in every call, or hangs until it is released.
type brokenStorage struct {
	certmagic.Storage
	err   error
	hangs chan struct{}
}

func (s brokenStorage) fail() error {
	if s.hangs != nil {
		<-s.hangs
	}
	return s.err
}

func (s brokenStorage) Store(context.Context, string, []byte) error  { return s.fail() }
func (s brokenStorage) Load(context.Context, string) ([]byte, error) { return nil, s.fail() }
func (s brokenStorage) Delete(context.Context, string) error         { return s.fail() }
func (s brokenStorage) Exists(context.Context, string) bool          { return s.fail() == nil }

func (s brokenStorage) List(context.Context, string, bool) ([]string, error) { return nil, s.fail() }

func TestHangingCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := brokenStorage{err: errors.New("gone"), hangs: make(chan struct{})}
		before := runtime.NumGoroutine()
		n := newNode(storage)
		var senders sync.WaitGroup
		for i := range 3 * maxCalls {
			senders.Go(func() {
				claim, state, _, err := n.Claim(t.Context(), numberedKey(i), "")
				if state != stores.New || err == nil {
					t.Errorf("state %d, error %v", state, err)
				}
				claim.Release(t.Context())
			})
		}
		senders.Wait()
		synctest.Wait()
		if hanging := runtime.NumGoroutine() - before; hanging > maxCalls+10 {
			t.Errorf("%d goroutines hang", hanging)
		}
		close(storage.hangs)
		synctest.Wait()
	})
}

func BenchmarkStorage(b *testing.B) {
	n := newNode(&certmagic.FileStorage{Path: b.TempDir()})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		claim, _, _, err := n.Claim(b.Context(), numberedKey(i), "")
		if err != nil {
			b.Fatal(err)
		}
		claim.Done(b.Context())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}
