package backfill

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// pageSize is how many objects are asked for at once. Clerk allows 500.
const pageSize = 250

// Oldest first: what is created meanwhile comes last, and moves nothing.
const oldestFirst = "+created_at"

// page is a part of a list.
type page struct {
	objects []object
	readAt  time.Time // not later than the state of the objects
	place   *place    // where the list goes on after this page, or nil if it cannot
	total   int       // of the whole list, or 0 if Clerk does not say
}

// place is how far a list has been read.
type place struct {
	After   string `json:"after,omitempty"`      // the last object's id
	Created int64  `json:"created_at,omitempty"` // and its time
	Offset  int    `json:"offset,omitempty"`     // and how many were before it, in lists without a cursor
}

// list is read page by page. The last page is followed by errEnd.
type list interface {
	next(context.Context) (page, error)
}

var errEnd = errors.New("the end of the list")

// users lists all users with Clerk's cursor. A cursor is the id of a user, who can be
// deleted before it is used. Clerk does not say what it answers then. So whenever the
// answer is an error, an earlier user or the end, the list goes on by the time at which
// the last user was created.
type users struct {
	client  *Client
	place   place
	from    int64 // created_at_after, if not 0
	cursor  bool  // whether place.After is a cursor now
	checked int64 // the last time that the end was checked
	ended   bool
	recent  map[string]bool // what the last page had
}

func listUsers(client *Client, from place) *users {
	return &users{client: client, place: from, cursor: from.After != "", recent: map[string]bool{from.After: true}}
}

func (u *users) next(ctx context.Context) (page, error) {
	if u.ended {
		return page{}, errEnd
	}
	readAt := time.Now()
	objects, err := u.ask(ctx)
	if u.cursor && isLostCursor(err) || err == nil && u.cursor && len(objects) > 0 && objects[0].created < u.place.Created {
		u.goOnByTime()
		readAt = time.Now()
		objects, err = u.ask(ctx)
	}
	if err != nil {
		return page{}, err
	}
	fresh := without(objects, u.recent)
	switch {
	case len(objects) == pageSize:
		u.remember(objects)
	case u.place.Created > u.checked || len(fresh) > 0 && fresh[len(fresh)-1].created > u.checked:
		if len(objects) > 0 {
			u.remember(objects)
		}
		u.checked = u.place.Created
		u.goOnByTime()
	default:
		u.ended = true
	}
	at := u.place
	return page{objects: fresh, readAt: readAt, place: &at}, nil
}

func (u *users) remember(objects []object) {
	last := objects[len(objects)-1]
	u.place.After, u.place.Created, u.cursor = last.id, last.created, true
	u.recent = make(map[string]bool, len(objects))
	for _, o := range objects {
		u.recent[o.id] = true
	}
}

func (u *users) goOnByTime() { u.from, u.cursor = u.place.Created-1, false }

func (u *users) ask(ctx context.Context) ([]object, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "order_by": {oldestFirst}}
	if u.from != 0 {
		query.Set("created_at_after", strconv.FormatInt(u.from, 10))
	}
	if u.cursor {
		query.Set("starting_after", u.place.After)
	}
	answer, err := u.client.get(ctx, "/users", query)
	if err != nil {
		return nil, err
	}
	return sorted(parseObjects(answer))
}

// sorted refuses a page in another order. A list in that order would never end.
func sorted(objects []object, err error) ([]object, error) {
	if err == nil && !slices.IsSortedFunc(objects, func(a, b object) int { return cmp.Compare(a.created, b.created) }) {
		return nil, errors.New("the answer of Clerk's API is not sorted by created_at: check --api")
	}
	return objects, err
}

// isLostCursor reports whether Clerk refuses a request, which it would not do without
// the cursor.
func isLostCursor(err error) bool {
	var refused *APIError
	return errors.As(err, &refused) && (refused.Status == http.StatusBadRequest || refused.Status == http.StatusNotFound || refused.Status == http.StatusUnprocessableEntity)
}

func without(objects []object, known map[string]bool) []object {
	var rest []object
	for _, o := range objects {
		if !known[o.id] {
			rest = append(rest, o)
		}
	}
	return rest
}

// overlap is how many objects a page repeats of the page before it.
const overlap = 10

// numbered is a list that Clerk reads by the position of its objects. If objects before
// a page are deleted, the rest moves forward. So each page begins with what is known,
// and if it does not, the one before it is read again.
type numbered struct {
	client *Client
	path   string
	extra  url.Values // asks for members that Clerk leaves out otherwise
	place  place
	ended  bool
	recent map[string]bool
}

// withCounts asks for the members of an organization that those in webhooks have, too.
var withCounts = url.Values{"include_members_count": {"true"}, "include_missing_member_with_elevated_permissions": {"true"}}

func listOrganizations(client *Client, from place) *numbered {
	return &numbered{client: client, path: "/organizations", extra: withCounts, place: from, recent: map[string]bool{from.After: true}}
}

func listMemberships(client *Client, from place) *numbered {
	return &numbered{client: client, path: "/organization_memberships", place: from, recent: map[string]bool{from.After: true}}
}

func (n *numbered) next(ctx context.Context) (page, error) {
	if n.ended {
		return page{}, errEnd
	}
	for offset := max(n.place.Offset-overlap, 0); ; offset = max(offset-pageSize, 0) {
		readAt := time.Now()
		objects, total, err := n.ask(ctx, offset)
		if err != nil {
			return page{}, err
		}
		if isGap := len(objects) == 0 || objects[0].created > n.place.Created; offset > 0 && isGap {
			continue
		}
		fresh := n.fresh(objects)
		n.ended = len(objects) < pageSize
		n.remember(objects, offset)
		at := n.place
		return page{objects: fresh, readAt: readAt, place: &at, total: total}, nil
	}
}

// fresh returns the objects that no earlier page had.
func (n *numbered) fresh(objects []object) []object {
	var fresh []object
	for _, o := range without(objects, n.recent) {
		if o.created >= n.place.Created {
			fresh = append(fresh, o)
		}
	}
	return fresh
}

func (n *numbered) remember(objects []object, offset int) {
	n.place.Offset = offset + len(objects)
	if len(objects) == 0 {
		return
	}
	if last := objects[len(objects)-1]; last.created >= n.place.Created {
		n.place.After, n.place.Created = last.id, last.created
		n.recent = make(map[string]bool, len(objects))
		for _, o := range objects {
			n.recent[o.id] = true
		}
	}
}

func (n *numbered) ask(ctx context.Context, offset int) ([]object, int, error) {
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "order_by": {oldestFirst}, "offset": {strconv.Itoa(offset)}}
	maps.Copy(query, n.extra)
	answer, err := n.client.get(ctx, n.path, query)
	if err != nil {
		return nil, 0, err
	}
	objects, err := sorted(parseObjects(answer.Get("data")))
	total := answer.Get("total_count")
	if total.Type != gjson.Number {
		return objects, 0, err
	}
	return objects, int(total.Int()), err
}
