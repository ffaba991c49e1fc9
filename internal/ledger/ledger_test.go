package ledger

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const window = 48 * time.Hour

func testKey(id string) stores.Key { return KeyOf([32]byte{1}, id) }

// node is one process of a fleet.
type node struct {
	*Ledger
	storage *Storage // if that is its store
	calls   *callLog
}

type callLog struct {
	mu    sync.Mutex
	calls []Call
}

func (l *callLog) add(call Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, call)
}

// failed returns the steps that failed for this reason.
func (l *callLog) failed(reason error) (steps []Step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, call := range l.calls {
		if errors.Is(call.Err, reason) && call.Err != nil {
			steps = append(steps, call.Step)
		}
	}
	return steps
}

func newNodeWith(store stores.Store, strict bool) node {
	calls := new(callLog)
	return node{Ledger: NewLedger(NewMemory(1000), store, window, strict, calls.add), calls: calls}
}

func (n node) expect(t *testing.T, id string, want stores.State) *Claim {
	t.Helper()
	claim, state, _, err := n.Claim(t.Context(), testKey(id), id)
	if err != nil {
		t.Fatalf("claiming %s: %v", id, err)
	}
	if state != want {
		t.Fatalf("claiming %s: state %d, want %d", id, state, want)
	}
	if (claim != nil) != (state == stores.New) {
		t.Fatalf("claiming %s: state %d with claim %v", id, state, claim)
	}
	return claim
}

func (n node) forget(t *testing.T, id string, want bool) {
	t.Helper()
	if known, err := n.Forget(t.Context(), testKey(id)); err != nil || known != want {
		t.Errorf("forgetting %s: known %t, error %v; want known %t", id, known, err, want)
	}
}

// kill ends a process as far as its claim goes.
func (c *Claim) kill() { c.end() }

func TestLedger(t *testing.T) {
	for name, newFleet := range map[string]func(t *testing.T) (a, b node){
		"memory": func(*testing.T) (a, b node) {
			n := newNodeWith(nil, false)
			return n, n
		},
		"storage in one process": func(t *testing.T) (a, b node) {
			n := newNode(&certmagic.FileStorage{Path: t.TempDir()})
			return n, n
		},
		"a store for a fleet, in one process": func(*testing.T) (a, b node) {
			n := newNodeWith(NewMemory(1000), false)
			return n, n
		},
		"a store for a fleet, in two processes": func(*testing.T) (a, b node) {
			store := NewMemory(1000)
			return newNodeWith(store, false), newNodeWith(store, false)
		},
		"a store for a fleet, strictly": func(*testing.T) (a, b node) {
			store := NewMemory(1000)
			return newNodeWith(store, true), newNodeWith(store, true)
		},
	} {
		for _, tc := range []struct {
			name string
			run  func(t *testing.T, a, b node)
		}{
			{"a copy waits while the first is under way", func(t *testing.T, a, b node) {
				claim := a.expect(t, "1", stores.New)
				for range 20 {
					b.expect(t, "1", stores.InProgress)
					time.Sleep(stores.LongestClaim/20 - time.Millisecond)
				}
				claim.Release(t.Context())
			}},
			{"a copy of a done delivery gets the time when it was done", func(t *testing.T, a, b node) {
				handled := time.Now()
				a.expect(t, "1", stores.New).Done(t.Context())
				time.Sleep(time.Hour)
				_, state, at, err := b.Claim(t.Context(), testKey("1"), "1")
				if state != stores.Done || at.Sub(handled).Abs() > time.Second || err != nil {
					t.Errorf("state %d at %s, error %v; want done at %s", state, at, err, handled)
				}
			}},
			{"a released delivery can be handled again at once", func(t *testing.T, a, b node) {
				a.expect(t, "1", stores.New).Release(t.Context())
				b.expect(t, "1", stores.New).Release(t.Context())
			}},
			{"a claim that nobody gives up ends after the longest time", func(t *testing.T, a, b node) {
				a.expect(t, "1", stores.New)
				time.Sleep(stores.LongestClaim - time.Second)
				b.expect(t, "1", stores.InProgress)
				time.Sleep(2 * time.Second)
				b.expect(t, "1", stores.New).Release(t.Context())
			}},
			{"a claim that is given up late does not end its successor", func(t *testing.T, a, b node) {
				late := a.expect(t, "1", stores.New)
				time.Sleep(stores.LongestClaim + time.Second)
				successor := b.expect(t, "1", stores.New)
				late.Release(t.Context())
				b.expect(t, "1", stores.InProgress)
				successor.Done(t.Context())
				b.expect(t, "1", stores.Done)
			}},
			{"a claim that is done late counts if nobody has it", func(t *testing.T, a, b node) {
				late := a.expect(t, "1", stores.New)
				time.Sleep(stores.LongestClaim + time.Second)
				late.Done(t.Context())
				b.expect(t, "1", stores.Done)
			}},
			{"a done delivery is forgotten after the window", func(t *testing.T, a, b node) {
				a.expect(t, "1", stores.New).Done(t.Context())
				time.Sleep(window - time.Hour)
				b.expect(t, "1", stores.Done)
				time.Sleep(2 * time.Hour)
				b.expect(t, "1", stores.New).Release(t.Context())
			}},
			{"a done delivery can be forgotten on purpose", func(t *testing.T, a, b node) {
				a.expect(t, "1", stores.New).Done(t.Context())
				b.forget(t, "1", true)
				b.forget(t, "1", false)
				a.expect(t, "1", stores.New).Done(t.Context())
				b.expect(t, "1", stores.Done)
			}},
			{"a delivery under way is not forgotten", func(t *testing.T, a, b node) {
				claim := a.expect(t, "1", stores.New)
				b.forget(t, "1", false)
				b.expect(t, "1", stores.InProgress)
				claim.Release(t.Context())
			}},
			{"other deliveries are not affected", func(t *testing.T, a, b node) {
				a.expect(t, "1", stores.New).Done(t.Context())
				b.expect(t, "2", stores.New).Release(t.Context())
			}},
		} {
			t.Run(name+"/"+tc.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					a, b := newFleet(t)
					tc.run(t, a, b)
					time.Sleep(stores.LongestClaim) // nothing is renewed for longer
					synctest.Wait()
				})
			})
		}
	}
}

func TestKeyOfDependsOnSecretAndID(t *testing.T) {
	keys := map[stores.Key]bool{}
	for _, fingerprint := range [][32]byte{{1}, {2}} {
		for _, id := range []string{"msg_1", "msg_2"} {
			keys[KeyOf(fingerprint, id)] = true
		}
	}
	if len(keys) != 4 {
		t.Errorf("%d keys for 4 messages", len(keys))
	}
}

// Svix tries again five seconds after the connection to a process that was killed
// has broken off.
func TestClaimOfAKilledInstanceEndsBeforeTheRetry(t *testing.T) {
	for name, test := range map[string]struct {
		strict bool
		after  stores.State
	}{
		"forward": {false, stores.New},
		"refuse":  {true, stores.InProgress},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := NewMemory(1000)
				a, b := newNodeWith(store, test.strict), newNodeWith(store, test.strict)
				claim := a.expect(t, "1", stores.New)
				time.Sleep(30 * time.Second)
				b.expect(t, "1", stores.InProgress)
				claim.kill()
				time.Sleep(5 * time.Second)
				if claim := b.expect(t, "1", test.after); claim != nil {
					claim.Release(t.Context())
				}
				time.Sleep(stores.LongestClaim)
				b.expect(t, "1", stores.New).Release(t.Context())
			})
		})
	}
}

// faulty is a store that can fail, and wait first until its context ends.
type faulty struct {
	stores.Store
	mu    sync.Mutex
	err   error
	hangs bool
}

var errFault = errors.New("disk on fire")

func (f *faulty) set(err error, hangs bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.hangs = err, hangs
}

func (f *faulty) fault(ctx context.Context) error {
	f.mu.Lock()
	err, hangs := f.err, f.hangs
	f.mu.Unlock()
	if hangs {
		<-ctx.Done()
	}
	return err
}

func (f *faulty) Claim(ctx context.Context, key stores.Key, token string, lease time.Duration) (state stores.State, at time.Time, err error) {
	if err := f.fault(ctx); err != nil {
		return stores.New, time.Time{}, err
	}
	return f.Store.Claim(ctx, key, token, lease)
}

func (f *faulty) Renew(ctx context.Context, key stores.Key, token string, lease time.Duration) error {
	if err := f.fault(ctx); err != nil {
		return err
	}
	return f.Store.Renew(ctx, key, token, lease)
}

func (f *faulty) MarkDone(ctx context.Context, key stores.Key, token string, window time.Duration) error {
	if err := f.fault(ctx); err != nil {
		return err
	}
	return f.Store.MarkDone(ctx, key, token, window)
}

func (f *faulty) Release(ctx context.Context, key stores.Key, token string) error {
	if err := f.fault(ctx); err != nil {
		return err
	}
	return f.Store.Release(ctx, key, token)
}

// A store that fails or is slow loses nothing, and this process knows its own.
func TestFaultsOfTheStoreLoseNothing(t *testing.T) {
	for name, hangs := range map[string]bool{"it fails": false, "it hangs": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &faulty{Store: NewMemory(1000)}
				n := newNodeWith(store, false)
				n.expect(t, "before", stores.New).Done(t.Context())
				store.set(errFault, hangs)
				start := time.Now()

				claim, state, _, err := n.Claim(t.Context(), testKey("1"), "1")
				if state != stores.New || claim == nil || !errors.Is(err, errFault) {
					t.Fatalf("state %d, claim %v, error %v; want a new delivery and an error", state, claim, err)
				}
				n.expect(t, "1", stores.InProgress)
				claim.Done(t.Context())
				n.expect(t, "1", stores.Done)
				if _, state, _, _ := n.Claim(t.Context(), testKey("before"), "before"); state != stores.Done {
					t.Errorf("a delivery that was done before is in state %d; this process knows it", state)
				}
				if took := time.Since(start); took > 3*callTimeout {
					t.Errorf("it took %s", took)
				}
				if steps := n.calls.failed(errFault); !slices.Equal(steps, []Step{StepClaim, StepDone, StepClaim}) {
					t.Errorf("%q failed", steps)
				}
				time.Sleep(2 * stores.LongestClaim)
			})
		})
	}
}

// What could not be told at the end of a delivery is told later.
func TestStoreIsToldLater(t *testing.T) {
	for name, test := range map[string]struct {
		end   func(*Claim)
		after stores.State
	}{
		"done":     {func(c *Claim) { c.Done(context.Background()) }, stores.Done},
		"released": {func(c *Claim) { c.Release(context.Background()) }, stores.New},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &faulty{Store: NewMemory(1000)}
				a, b := newNodeWith(store, true), newNodeWith(store, true)
				claim := a.expect(t, "1", stores.New)
				store.set(errFault, false)
				test.end(claim)
				time.Sleep(time.Minute + retryPause/2) // between two tries
				store.set(nil, false)
				b.expect(t, "1", stores.InProgress) // an outage does not end the claim
				time.Sleep(2 * retryPause)
				if claim := b.expect(t, "1", test.after); claim != nil {
					claim.Release(t.Context())
				}
				if name == "done" { // forgetting at one instance is enough again
					b.forget(t, "1", true)
					a.expect(t, "1", stores.New).Release(t.Context())
				}
				time.Sleep(2 * stores.LongestClaim)
			})
		})
	}
}

// During an outage nothing piles up without bound.
func TestWhatIsToldLaterIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: NewMemory(1000)}
		store.set(errFault, false)
		n := newNodeWith(store, false)
		for i := range 2 * maxRetries {
			claim, _, _, _ := n.Claim(t.Context(), numberedKey(i), "")
			claim.Done(t.Context())
		}
		before := len(n.calls.failed(errFault))
		time.Sleep(retryPause)
		synctest.Wait()
		if retries := len(n.calls.failed(errFault)) - before; retries != maxRetries {
			t.Errorf("%d calls are tried again, want %d", retries, maxRetries)
		}
		time.Sleep(2 * stores.LongestClaim)
	})
}

// An instance that was cut off for longer than a lease loses its claim and learns so.
func TestClaimThatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shared := NewMemory(1000)
		store := &faulty{Store: shared}
		a, b := newNodeWith(store, false), newNodeWith(shared, false)
		lost := a.expect(t, "1", stores.New)
		store.set(errFault, false)
		time.Sleep(shortLease + time.Second)
		claim := b.expect(t, "1", stores.New)
		store.set(nil, false)
		time.Sleep(2 * shortLease)
		if steps := a.calls.failed(stores.ErrLost); !slices.Equal(steps, []Step{StepRenew}) {
			t.Errorf("lost in the steps %q, want to be told once", steps)
		}
		lost.Done(t.Context())
		b.expect(t, "1", stores.InProgress)
		claim.Done(t.Context())
		a.expect(t, "1", stores.Done)
	})
}

// An outage that is longer than the lease ends no claim if nobody takes it.
func TestClaimIsRenewedAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: NewMemory(1000)}
		a, b := newNodeWith(store, false), newNodeWith(store, false)
		claim := a.expect(t, "1", stores.New)
		store.set(errFault, true)
		time.Sleep(10 * time.Second)
		store.set(nil, false)
		time.Sleep(3 * time.Second)
		b.expect(t, "1", stores.InProgress)
		claim.Done(t.Context())
		b.expect(t, "1", stores.Done)
	})
}

// A claim that has ended is not renewed, even if a renewal is under way.
func TestNoRenewalAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &faulty{Store: NewMemory(1000)}
		a, b := newNodeWith(store, false), newNodeWith(store, false)
		claim := a.expect(t, "1", stores.New)
		store.set(nil, true)
		time.Sleep(shortLease/renewals + callTimeout/2) // in the middle of a renewal
		claim.Release(t.Context())
		store.set(nil, false)
		b.expect(t, "1", stores.New).Release(t.Context())
		time.Sleep(stores.LongestClaim)
		if steps := a.calls.failed(stores.ErrLost); len(steps) != 0 {
			t.Errorf("lost in the steps %q", steps)
		}
	})
}
