package backfill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

// serve starts the API of an instance and returns a client for it that does not wait
// long.
func serve(t testing.TB, instance *testclerk.Instance) *Client {
	t.Helper()
	server := httptest.NewServer(instance)
	t.Cleanup(server.Close)
	client := clientOf(t, server.URL+"/v1")
	client.firstWait = time.Millisecond
	return client
}

func clientOf(t testing.TB, api string) *Client {
	t.Helper()
	key, err := ParseKey(testclerk.Key)
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(api, key, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// readAll returns the ids of a list.
func readAll(t *testing.T, l list) []string {
	t.Helper()
	var ids []string
	for range 1000 {
		p, err := l.next(t.Context())
		if errors.Is(err, errEnd) {
			return ids
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range p.objects {
			ids = append(ids, o.id)
		}
	}
	t.Fatal("the list has no end")
	return nil
}

// twice returns the ids that are there more than once.
func twice(ids []string) (doubles []string) {
	seen := make(map[string]bool)
	for _, id := range ids {
		if seen[id] {
			doubles = append(doubles, id)
		}
		seen[id] = true
	}
	return doubles
}

func idsOf(objects []testclerk.Object) []string {
	var ids []string
	for _, o := range objects {
		ids = append(ids, o.ID)
	}
	return ids
}

func TestUsersAreReadOnceWhileUsersAreCreatedAndDeleted(t *testing.T) {
	for name, lost := range map[string]testclerk.LostCursor{
		"a lost cursor is not found": testclerk.LostIsNotFound,
		"a lost cursor is invalid":   testclerk.LostIsInvalid,
		"a lost cursor is the end":   testclerk.LostIsEmpty,
		"a lost cursor is the start": testclerk.LostIsStart,
	} {
		for _, firstLost := range []int{1, 2} {
			t.Run(fmt.Sprint(name, ", from number ", firstLost), func(t *testing.T) { testChangingUsers(t, lost, firstLost) })
		}
	}
}

func testChangingUsers(t *testing.T, lost testclerk.LostCursor, firstLost int) {
	instance := &testclerk.Instance{LostCursor: lost}
	instance.Add(testclerk.Users(0, 1000)...)
	cursors := 0
	instance.Before = func(_ int, r *http.Request) *testclerk.Fault {
		cursor := r.URL.Query().Get("starting_after")
		if cursor == "" {
			return nil
		}
		if cursors++; cursors >= firstLost && cursors <= 2 {
			instance.Delete(cursor)
		}
		switch cursors {
		case 1:
			instance.Delete(idsOf(testclerk.Users(0, 3))...)
		case 2:
			instance.Add(testclerk.Users(1000, 1300)...)
		case 3:
			instance.Delete(idsOf(testclerk.Users(700, 702))...)
		}
		return nil
	}
	ids := readAll(t, listUsers(serve(t, instance), place{}))
	for _, id := range idsOf(instance.Users()) {
		if !slices.Contains(ids, id) {
			t.Errorf("%s is missing", id)
		}
	}
	if doubles := twice(ids); len(doubles) > 0 {
		t.Errorf("read twice: %v", doubles)
	}
	if cursors < 3 || len(instance.Requests()) > 12 || instance.MostAtOnce() != 1 {
		t.Errorf("requests: %s", strings.Join(instance.Requests(), "\n"))
	}
}

func TestUsersThatWereCreatedInTheSameMillisecondAreAllRead(t *testing.T) {
	for name, lost := range map[string]testclerk.LostCursor{"with cursors": -1, "with a lost cursor": testclerk.LostIsNotFound} {
		t.Run(name, func(t *testing.T) {
			instance := &testclerk.Instance{LostCursor: lost}
			users := testclerk.Users(0, 3*pageSize)
			for n := range users {
				users[n].JSON = strings.ReplaceAll(users[n].JSON, `"created_at":17`, `"created_at":1700000000000,"was":17`)
				users[n].Created = 1_700_000_000_000
			}
			instance.Add(users...)
			instance.Before = func(number int, _ *http.Request) *testclerk.Fault {
				if number == 2 && lost >= 0 {
					instance.Delete(users[pageSize-1].ID)
				}
				return nil
			}
			ids := readAll(t, listUsers(serve(t, instance), place{}))
			for _, id := range idsOf(instance.Users()) {
				if !slices.Contains(ids, id) {
					t.Errorf("%s is missing", id)
				}
			}
		})
	}
}

func TestNumberedListsSkipNothingWhileObjectsAreDeleted(t *testing.T) {
	for name, gone := range map[string]int{"few": 3, "more than the overlap": 2 * overlap, "more than a page": pageSize + 20, "all that was read": 2 * pageSize} {
		t.Run(name, func(t *testing.T) {
			instance := &testclerk.Instance{}
			instance.Add(testclerk.Organizations(0, 1500)...)
			instance.Before = func(number int, _ *http.Request) *testclerk.Fault {
				switch number {
				case 3:
					instance.Delete(idsOf(testclerk.Organizations(0, gone))...)
				case 4:
					instance.Add(testclerk.Organizations(1500, 1600)...)
				}
				return nil
			}
			ids := readAll(t, listOrganizations(serve(t, instance), place{}))
			for _, id := range idsOf(testclerk.Organizations(gone, 1600)) {
				if !slices.Contains(ids, id) {
					t.Errorf("%s is missing", id)
				}
			}
			if doubles := twice(ids); len(doubles) > 0 || len(instance.Requests()) > 15 {
				t.Errorf("read twice: %v, %d requests", doubles, len(instance.Requests()))
			}
		})
	}
}

func TestListGoesOnAfterAPlace(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 600)...)
	instance.Add(testclerk.Memberships(0, 600)...)
	client := serve(t, instance)
	for kind, all := range map[Kind][]string{Users: idsOf(testclerk.Users(0, 600)), Memberships: idsOf(testclerk.Memberships(0, 600))} {
		first, err := newList(client, kind, place{}).next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		rest := readAll(t, newList(client, kind, *first.place))
		for n, id := range all {
			if n >= pageSize && !slices.Contains(rest, id) {
				t.Errorf("%s is missing", id)
			}
		}
		if len(rest) > len(all)-pageSize+overlap {
			t.Errorf("%d of %d are read again", len(rest), len(all))
		}
	}
}

func TestEmptyInstance(t *testing.T) {
	client := serve(t, &testclerk.Instance{})
	for _, kind := range Kinds() {
		if ids := readAll(t, newList(client, kind, place{})); len(ids) > 0 {
			t.Errorf("%s: %v", kind, ids)
		}
	}
}

func TestListRefusesPagesThatWouldNeverEnd(t *testing.T) {
	for name, body := range map[string]string{
		"newest first":         `[{"id":"user_b","created_at":2,"updated_at":2},{"id":"user_a","created_at":1,"updated_at":1}]`,
		"no list":              `{"data":[]}`,
		"an object without id": `[{"created_at":2,"updated_at":2}]`,
		"an id for the path":   `[{"id":"../x","created_at":2,"updated_at":2}]`,
		"no time":              `[{"id":"user_a","updated_at":2}]`,
		"no objects":           `[1,2]`,
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }))
			defer server.Close()
			if p, err := listUsers(clientOf(t, server.URL), place{}).next(context.Background()); err == nil {
				t.Errorf("it is read as %v", p)
			}
		})
	}
}

func TestLookupFindsSingleObjects(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 300)...)
	instance.Add(testclerk.Organizations(0, 300)...)
	instance.Add(testclerk.Memberships(0, 600)...)
	client := serve(t, instance)
	for kind, objects := range map[Kind][]testclerk.Object{
		Users: testclerk.Users(50, 301), Organizations: testclerk.Organizations(50, 301), Memberships: testclerk.Memberships(350, 601),
	} {
		wanted := idsOf(objects)
		l := newLookup(client, kind, wanted)
		found := readAll(t, l)
		slices.Sort(found)
		last := wanted[len(wanted)-1]
		if !slices.Equal(found, wanted[:len(wanted)-1]) || len(l.missing) != 1 || !l.missing[last] {
			t.Errorf("%s: found %d, missing %v", kind, len(found), l.missing)
		}
	}
}
