package ledger

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
)

// A handler that returns after its lease must not undo what another instance
// has done since.
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

// An id has a record on more than one day once its first one is over. It is
// repeated since the days are read at the same time, in any order.
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

// What one day's record tells for sure is not doubted because another day's
// cannot be read.
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
