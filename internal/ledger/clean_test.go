package ledger

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func TestOldRecordsAreRemovedByDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		first := time.Now().UTC().Format(dayLayout)
		n := newNode(storage)
		for i := range 20 {
			id := fmt.Sprint("old", i)
			n.expect(t, id, stores.New).Done(ctx)
		}
		synctest.Wait()

		time.Sleep(window + 3*day)
		fleet := []node{newNode(storage), newNode(storage)}
		for i, n := range fleet {
			n.expect(t, fmt.Sprint("new", i), stores.New).Done(ctx)
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
		fleet[0].expect(t, "new1", stores.Done)
	})
}

// Guards of one process share the storage and can have different windows.
func TestCleaningLeavesTheRecordsOfLongerWindows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longest = 20 * day
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		restarted := func() node {
			n := newNode(storage)
			n.storage.SetWindow(longest)
			return n
		}
		restarted().expect(t, "1", stores.New).Done(t.Context())
		synctest.Wait()
		for range 19 {
			time.Sleep(day)
			n := newNode(storage)
			other := NewStorage(n.storage.process, storage)
			other.SetWindow(longest)
			n.expect(t, fmt.Sprint("other", time.Now().Unix()), stores.New).Done(t.Context())
			synctest.Wait()
			restarted().expect(t, "1", stores.Done)
			synctest.Wait()
		}
	})
}

func TestCleaningWorksAfterItsRecordIsDamaged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := &certmagic.FileStorage{Path: t.TempDir()}
		n := newNode(storage)
		n.expect(t, "old", stores.New).Done(t.Context())
		synctest.Wait()
		first := n.storage.name(time.Now(), testKey("old"))
		if err := storage.Store(t.Context(), cleanerName, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(window + 3*day)
		n.expect(t, "new", stores.New).Done(t.Context())
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
		n.storage.CleanFailed = func(err error) { failures <- err }
		n.expect(t, "1", stores.New).Done(t.Context())
		if err := <-failures; err == nil || err.Error() != "not allowed" {
			t.Error(err)
		}
		synctest.Wait()
	})
}
