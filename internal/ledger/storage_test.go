package ledger

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// A handler that returns after its lease must not remove the record that another
// instance has written since.
func TestLateReleaseLeavesTheRecordOfASuccessorAlone(t *testing.T) {
	for name, finish := range map[string]func(*testing.T, *Claim) State{
		"under way": func(*testing.T, *Claim) State { return InProgress },
		"done": func(t *testing.T, successor *Claim) State {
			if err := successor.Done(t.Context()); err != nil {
				t.Fatal(err)
			}
			return Done
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage := &certmagic.FileStorage{Path: t.TempDir()}
				late := newNode(storage).expect(t, "1", New)
				time.Sleep(Lease + time.Second)
				want := finish(t, newNode(storage).expect(t, "1", New))
				if err := late.Release(t.Context()); err != nil {
					t.Fatal(err)
				}
				newNode(storage).expect(t, "1", want)
				synctest.Wait()
			})
		})
	}
}

// Once the first record of an id is over, the id can have a record on another day
// too. The test repeats this because the days are read in any order.
func TestRecordThatIsOverDoesNotHideALaterOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		const ids = 30
		for i := range ids {
			_ = n.expect(t, fmt.Sprint(i), New).Done(t.Context())
		}
		time.Sleep(window + time.Hour)
		for i := range ids {
			claim := n.expect(t, fmt.Sprint(i), New)
			newNode(storage).expect(t, fmt.Sprint(i), InProgress)
			_ = claim.Done(t.Context())
			newNode(storage).expect(t, fmt.Sprint(i), Done)
		}
		synctest.Wait()
	})
}

// A record that can be read counts, even if the record of another day cannot be
// read.
func TestUnreadableRecordDoesNotHideAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		claim := n.expect(t, "1", New)
		yesterday := n.records.name(time.Now().Add(-day), testKey("1"))
		if err := storage.Store(t.Context(), yesterday, []byte("{")); err != nil {
			t.Fatal(err)
		}
		newNode(storage).expect(t, "1", InProgress)
		_ = claim.Done(t.Context())
		newNode(storage).expect(t, "1", Done)
		synctest.Wait()
	})
}

// lateStorage writes, but later than Records waits for.
type lateStorage struct{ *certmagic.FileStorage }

func (s lateStorage) Store(ctx context.Context, key string, value []byte) error {
	time.Sleep(callTimeout + callTimeout/2)
	return s.FileStorage.Store(context.WithoutCancel(ctx), key, value)
}

// A claim that the storage writes late must not hold up the retry of a delivery
// that failed.
func TestClaimThatIsWrittenLateIsReleased(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		slow := newNode(lateStorage{storage})
		claim, state, _, err := slow.Claim(t.Context(), numberedKey(1), window, slow.records)
		if state != New || err == nil {
			t.Fatalf("state %d, error %v", state, err)
		}
		time.Sleep(callTimeout) // the handlers take longer than the storage
		if err := claim.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		n := newNode(storage)
		if _, state, _, err := n.Claim(t.Context(), numberedKey(1), window, n.records); state != New || err != nil {
			t.Errorf("the retry finds state %d, error %v", state, err)
		}
		time.Sleep(time.Minute) // until the slow storage has been cleaned, too
		synctest.Wait()
	})
}
