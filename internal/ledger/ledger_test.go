package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

const window = 48 * time.Hour

func testKey(id string) Key { return KeyOf([32]byte{1}, id) }

func numberedKey(n int) (key Key) {
	binary.LittleEndian.PutUint64(key[:], uint64(n)*0x9E3779B97F4A7C15)
	return key
}

// node is one process of a fleet.
type node struct {
	*Ledger
	records *Records
}

func newNode(storage certmagic.Storage) node {
	n := node{Ledger: NewLedger(time.Now, 1000)}
	if storage != nil {
		n.records = NewRecords(storage, window, time.Now)
	}
	return n
}

func (n node) claim(t *testing.T, id string) (*Claim, State) {
	t.Helper()
	claim, state, _, err := n.Claim(t.Context(), testKey(id), window, n.records)
	if err != nil {
		t.Fatalf("claiming %s: %v", id, err)
	}
	return claim, state
}

func (n node) expect(t *testing.T, id string, want State) *Claim {
	t.Helper()
	claim, state := n.claim(t, id)
	if state != want {
		t.Fatalf("claiming %s: state %d, want %d", id, state, want)
	}
	if (claim != nil) != (state == New) {
		t.Fatalf("claiming %s: state %d with claim %v", id, state, claim)
	}
	return claim
}

func TestLedger(t *testing.T) {
	for name, newFleet := range map[string]func(t *testing.T) (a, b node){
		"memory": func(*testing.T) (a, b node) {
			n := newNode(nil)
			return n, n
		},
		"storage in one process": func(t *testing.T) (a, b node) {
			n := newNode(&certmagic.FileStorage{Path: t.TempDir()})
			return n, n
		},
		"storage shared by two processes": func(t *testing.T) (a, b node) {
			storage := &certmagic.FileStorage{Path: t.TempDir()}
			return newNode(storage), newNode(storage)
		},
	} {
		for _, tc := range []struct {
			name string
			run  func(t *testing.T, a, b node)
		}{
			{"a copy waits while the first is under way", func(t *testing.T, a, b node) {
				a.expect(t, "1", New)
				b.expect(t, "1", InProgress)
			}},
			{"a copy of a done delivery gets the time when it was done", func(t *testing.T, a, b node) {
				handled := time.Now()
				if err := a.expect(t, "1", New).Done(t.Context()); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				b.expect(t, "1", Done)
				_, _, at, _ := b.Claim(t.Context(), testKey("1"), window, b.records)
				if at.Sub(handled).Abs() > time.Second {
					t.Errorf("done at %s, want %s", at, handled)
				}
			}},
			{"a released delivery can be handled again at once", func(t *testing.T, a, b node) {
				if err := a.expect(t, "1", New).Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				b.expect(t, "1", New)
			}},
			{"a claim that nobody gives up ends with the lease", func(t *testing.T, a, b node) {
				a.expect(t, "1", New)
				time.Sleep(Lease - time.Second)
				b.expect(t, "1", InProgress)
				time.Sleep(2 * time.Second)
				b.expect(t, "1", New)
			}},
			{"a claim that is given up late does not end its successor", func(t *testing.T, a, b node) {
				late := a.expect(t, "1", New)
				time.Sleep(Lease + time.Second)
				b.expect(t, "1", New)
				a.drop(late)
				b.expect(t, "1", InProgress)
			}},
			{"a done delivery is forgotten after the window", func(t *testing.T, a, b node) {
				_ = a.expect(t, "1", New).Done(t.Context())
				time.Sleep(window - time.Hour)
				b.expect(t, "1", Done)
				time.Sleep(2 * time.Hour)
				b.expect(t, "1", New)
			}},
			{"a done delivery can be forgotten on purpose", func(t *testing.T, a, b node) {
				_ = a.expect(t, "1", New).Done(t.Context())
				for _, want := range []bool{true, false} {
					known, err := a.Forget(t.Context(), testKey("1"), a.records)
					if err != nil || known != want {
						t.Errorf("known %t, error %v, want %t", known, err, want)
					}
				}
				b.expect(t, "1", New)
			}},
			{"a delivery under way is not forgotten", func(t *testing.T, a, b node) {
				a.expect(t, "1", New)
				if known, err := a.Forget(t.Context(), testKey("1"), a.records); known || err != nil {
					t.Errorf("known %t, error %v", known, err)
				}
				b.expect(t, "1", InProgress)
			}},
			{"other deliveries are not affected", func(t *testing.T, a, b node) {
				_ = a.expect(t, "1", New).Done(t.Context())
				b.expect(t, "2", New)
			}},
		} {
			t.Run(name+"/"+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := newFleet(t)
					tc.run(t, a, b)
					synctest.Wait()
				})
			})
		}
	}
}

func TestKeyOfDependsOnSecretAndID(t *testing.T) {
	keys := map[Key]bool{}
	for _, fingerprint := range [][32]byte{{1}, {2}} {
		for _, id := range []string{"msg_1", "msg_2"} {
			keys[KeyOf(fingerprint, id)] = true
		}
	}
	if len(keys) != 4 {
		t.Errorf("%d keys for 4 messages", len(keys))
	}
}

func TestOneOfManyCopiesIsHandled(t *testing.T) {
	for name, storage := range map[string]certmagic.Storage{"memory": nil, "storage": &certmagic.FileStorage{Path: t.TempDir()}} {
		t.Run(name, func(t *testing.T) {
			n := newNode(storage)
			if n.records != nil {
				n.records.nextClean.Store(math.MaxInt64) // nothing may write when the test has ended
			}
			var handled [50]atomic.Int32
			var senders sync.WaitGroup
			for range 8 {
				senders.Go(func() {
					for i := range handled {
						claim, state, _, err := n.Claim(t.Context(), numberedKey(i), window, n.records)
						if err != nil {
							t.Error(err)
						}
						if state == New {
							handled[i].Add(1)
							_ = claim.Done(t.Context())
						}
					}
				})
			}
			senders.Wait()
			for i := range handled {
				if n := handled[i].Load(); n != 1 {
					t.Errorf("delivery %d was handled %d times", i, n)
				}
			}
		})
	}
}

func TestReleaseLeavesTheDoneMarkOfAnotherInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		a, b := newNode(storage), newNode(storage)
		claimA := a.expect(t, "1", New)
		// b has read before a has written, so both handle the delivery.
		if err := b.records.markDone(t.Context(), claimA.record, testKey("1"), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := claimA.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		a.expect(t, "1", Done)
		synctest.Wait()
	})
}

// slowStorage takes a while for each call, like one across a network.
type slowStorage struct {
	certmagic.Storage
}

const roundTrip = time.Millisecond

func (s slowStorage) Store(ctx context.Context, key string, value []byte) error {
	time.Sleep(roundTrip / 2)
	defer time.Sleep(roundTrip / 2)
	return s.Storage.Store(ctx, key, value)
}

func (s slowStorage) Load(ctx context.Context, key string) ([]byte, error) {
	time.Sleep(roundTrip / 2)
	defer time.Sleep(roundTrip / 2)
	return s.Storage.Load(ctx, key)
}

func TestOneOfCopiesAtDifferentInstancesIsHandled(t *testing.T) {
	for _, apart := range []time.Duration{0, roundTrip / 4, 3 * roundTrip / 4, 2 * roundTrip, 5 * roundTrip} {
		t.Run(apart.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := slowStorage{&certmagic.FileStorage{Path: t.TempDir()}}
				var handled atomic.Int32
				for i := range 3 {
					n := newNode(storage)
					n.records.nextClean.Store(math.MaxInt64)
					go func() {
						time.Sleep(time.Duration(i) * apart)
						if _, state, _, err := n.Claim(t.Context(), testKey("1"), window, n.records); state == New {
							handled.Add(1)
						} else if err != nil {
							t.Error(err)
						}
					}()
				}
				time.Sleep(time.Minute)
				if n := handled.Load(); n != 1 {
					t.Errorf("%d instances handle the delivery", n)
				}
			})
		})
	}
}

func TestDoneMarksAreBoundedInCount(t *testing.T) {
	m := doneMarks{limit: 1600}
	now := time.Unix(1_000_000, 0)
	for i := range 10_000 {
		m.add(numberedKey(i), now, window)
		if m.count > m.limit {
			t.Fatalf("%d marks after %d, the limit is %d", m.count, i, m.limit)
		}
	}
	if m.count < m.limit*9/10 {
		t.Errorf("only %d marks are left", m.count)
	}
	for i := 10_000 - m.count; i < 10_000; i++ {
		if _, ok := m.find(numberedKey(i)); !ok {
			t.Fatalf("mark %d is lost, though it is among the latest %d", i, m.count)
		}
	}
}

func TestDoneMarksOfADeliveryHandledAgain(t *testing.T) {
	m := doneMarks{limit: 1 << 20}
	key, now := numberedKey(1), time.Unix(1_000_000, 0)
	for _, at := range []time.Time{now, now.Add(time.Second), now.Add(window / 2)} { // same bucket, another bucket
		m.add(key, at, window)
		if found, ok := m.find(key); !ok || !found.Equal(at) {
			t.Errorf("found %s, want %s", found, at)
		}
	}
	if m.count != 2 {
		t.Errorf("%d marks are counted in 2 buckets", m.count)
	}
	if !m.remove(key) || m.remove(key) || m.count != 0 {
		t.Errorf("%d marks are left", m.count)
	}
}

func TestBucketOfDoneMarksExpiresAsAWhole(t *testing.T) {
	m := doneMarks{limit: 1 << 20}
	now := time.Unix(1_000_000, 0)
	for i := range 480 {
		m.add(numberedKey(i), now.Add(time.Duration(i)*6*time.Minute), window)
	}
	m.expire(now.Add(2*window + time.Hour))
	if m.count != 0 || len(m.buckets) != 0 {
		t.Errorf("%d marks in %d buckets are left", m.count, len(m.buckets))
	}
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

func TestStorageFaultsLoseNothing(t *testing.T) {
	for _, tc := range []struct {
		name  string
		hangs bool
	}{{"a storage that fails", false}, {"a storage that hangs and ignores its context", true}} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := brokenStorage{err: errors.New("disk on fire")}
				if tc.hangs {
					storage.hangs = make(chan struct{})
					defer synctest.Wait()
					defer close(storage.hangs)
				}
				n := newNode(storage)
				start := time.Now()

				claim, state, _, err := n.Claim(t.Context(), testKey("1"), window, n.records)
				if state != New || claim == nil || err == nil {
					t.Fatalf("state %d, claim %v, error %v; want a new delivery and an error", state, claim, err)
				}
				if _, state, _, _ := n.Claim(t.Context(), testKey("1"), window, n.records); state != InProgress {
					t.Errorf("a copy is in state %d, this process knows better", state)
				}
				if err := claim.Done(t.Context()); err == nil {
					t.Error("no error though the done mark could not be written")
				}
				if _, state, _, _ := n.Claim(t.Context(), testKey("1"), window, n.records); state != Done {
					t.Errorf("a later copy is in state %d, this process knows better", state)
				}
				if took := time.Since(start); took > 2*callTimeout {
					t.Errorf("it took %s", took)
				}
			})
		})
	}
}

func TestHangingCallsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := brokenStorage{err: errors.New("gone"), hangs: make(chan struct{})}
		before := runtime.NumGoroutine()
		n := newNode(storage)
		var senders sync.WaitGroup
		for i := range 3 * maxCalls {
			senders.Go(func() {
				if _, state, _, err := n.Claim(t.Context(), numberedKey(i), window, n.records); state != New || err == nil {
					t.Errorf("state %d, error %v", state, err)
				}
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

func TestOldRecordsAreRemovedByDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		first := time.Now().UTC().Format(dayLayout)
		n := newNode(storage)
		for i := range 20 {
			id := fmt.Sprint("old", i)
			_ = n.expect(t, id, New).Done(ctx)
		}
		synctest.Wait()

		time.Sleep(window + 3*day)
		fleet := []node{newNode(storage), newNode(storage)}
		for i, n := range fleet {
			_ = n.expect(t, fmt.Sprint("new", i), New).Done(ctx)
			synctest.Wait()
		}
		days, err := storage.List(ctx, recordsPrefix, false)
		if err != nil {
			t.Fatal(err)
		}
		today := recordsPrefix + "/" + time.Now().UTC().Format(dayLayout)
		if len(days) != 2 || days[0] != today || days[1] != cleanerName {
			t.Errorf("the storage has %v; of %s nothing should be left", days, first)
		}
		fleet[0].expect(t, "new1", Done)
	})
}

// Guards of one process share the storage and can have different windows.
func TestCleaningLeavesTheRecordsOfLongerWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longest = 20 * day
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		restarted := func() node {
			return node{Ledger: NewLedger(time.Now, 1000), records: NewRecords(storage, longest, time.Now)}
		}
		_ = restarted().expect(t, "1", New).Done(t.Context())
		synctest.Wait()
		for range 19 {
			time.Sleep(day)
			n := newNode(storage)
			n.records.LongestWindow = func() time.Duration { return longest }
			_ = n.expect(t, fmt.Sprint("other", time.Now().Unix()), New).Done(t.Context())
			synctest.Wait()
			restarted().expect(t, "1", Done)
			synctest.Wait()
		}
	})
}

func TestCleaningWorksAfterItsRecordIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		_ = n.expect(t, "old", New).Done(t.Context())
		synctest.Wait()
		first := n.records.name(time.Now(), testKey("old"))
		if err := storage.Store(t.Context(), cleanerName, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(window + 3*day)
		_ = n.expect(t, "new", New).Done(t.Context())
		synctest.Wait()
		if storage.Exists(t.Context(), first) {
			t.Errorf("%s is still there", first)
		}
	})
}

// listless is a storage that cannot list what it has.
type listless struct{ certmagic.Storage }

func (listless) List(context.Context, string, bool) ([]string, error) {
	return nil, errors.New("not allowed")
}

func TestFailureOfCleaningIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNode(listless{&certmagic.FileStorage{Path: t.TempDir()}})
		failures := make(chan error, 1)
		n.records.CleanFailed = func(err error) { failures <- err }
		_ = n.expect(t, "1", New).Done(t.Context())
		if err := <-failures; err == nil || err.Error() != "not allowed" {
			t.Error(err)
		}
		synctest.Wait()
	})
}

func TestUnreadableRecordDoesNotStopDelivery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		if err := storage.Store(t.Context(), n.records.name(time.Now(), testKey("1")), []byte("{")); err != nil {
			t.Fatal(err)
		}
		_, state, _, err := n.Claim(t.Context(), testKey("1"), window, n.records)
		if state != New || err == nil {
			t.Errorf("state %d, error %v; want a new delivery and an error", state, err)
		}
		synctest.Wait()
	})
}

func BenchmarkMemory(b *testing.B) {
	l := NewLedger(time.Now, 1<<20)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		claim, _, _, _ := l.Claim(b.Context(), numberedKey(i), window, nil)
		_ = claim.Done(b.Context())
	}
}

func BenchmarkStorage(b *testing.B) {
	n := newNode(&certmagic.FileStorage{Path: b.TempDir()})
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		claim, _, _, err := n.Claim(b.Context(), numberedKey(i), window, n.records)
		if err != nil {
			b.Fatal(err)
		}
		_ = claim.Done(b.Context())
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
}

// BenchmarkMillionDoneMarks reports the memory for a million done marks.
func BenchmarkMillionDoneMarks(b *testing.B) {
	const million = 1_000_000
	for b.Loop() {
		before := heap()
		m := &doneMarks{limit: 1 << 20}
		at := time.Unix(1_000_000, 0)
		for i := range million {
			m.add(numberedKey(i), at.Add(time.Duration(i)*window/million), window)
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB/million")
		runtime.KeepAlive(m)
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
