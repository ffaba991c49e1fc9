package backfill

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxLookup is how many ids Clerk accepts in one request.
const maxLookup = 100

// newList returns the list of all objects of a kind that follow a place.
func newList(client *Client, kind Kind, from place) list {
	switch kind {
	case Users:
		return listUsers(client, from)
	case Organizations:
		return listOrganizations(client, from)
	}
	return listMemberships(client, from)
}

// lookup lists single objects.
type lookup struct {
	client  *Client
	kind    Kind
	ids     []string        // that are still to be asked for
	missing map[string]bool // that were not found so far
	all     list            // where memberships are looked for: Clerk cannot look up one
}

func newLookup(client *Client, kind Kind, ids []string) *lookup {
	l := &lookup{client: client, kind: kind, ids: ids, missing: make(map[string]bool, len(ids))}
	for _, id := range ids {
		l.missing[id] = true
	}
	if kind == Memberships {
		l.all = listMemberships(client, place{})
	}
	return l
}

func (l *lookup) next(ctx context.Context) (page, error) {
	if l.all != nil {
		return l.filter(ctx)
	}
	if len(l.ids) == 0 {
		return page{}, errEnd
	}
	batch := l.ids[:min(len(l.ids), maxLookup)]
	l.ids = l.ids[len(batch):]
	readAt := time.Now()
	objects, err := l.client.lookUp(ctx, l.kind, batch)
	if err != nil {
		return page{}, err
	}
	return page{objects: l.take(objects), readAt: readAt}, nil
}

func (l *lookup) filter(ctx context.Context) (page, error) {
	if len(l.missing) == 0 {
		return page{}, errEnd
	}
	p, err := l.all.next(ctx)
	return page{objects: l.take(p.objects), readAt: p.readAt}, err
}

// take returns the objects that were asked for.
func (l *lookup) take(objects []object) []object {
	var found []object
	for _, o := range objects {
		if l.missing[o.id] {
			delete(l.missing, o.id)
			found = append(found, o)
		}
	}
	return found
}

// lookUp returns those of at most maxLookup users or organizations that Clerk has.
func (c *Client) lookUp(ctx context.Context, kind Kind, ids []string) ([]object, error) {
	path, query := "/users", url.Values{"user_id": ids}
	if kind == Organizations {
		path, query = "/organizations", url.Values{"organization_id": ids}
		maps.Copy(query, withCounts)
	}
	query.Set("limit", strconv.Itoa(maxLookup))
	answer, err := c.get(ctx, path, query)
	if err != nil {
		return nil, err
	}
	if kind == Organizations {
		answer = answer.Get("data")
	}
	return parseObjects(answer)
}

// isGone reports whether Clerk says that it does not have this user.
func (c *Client) isGone(ctx context.Context, id string) (bool, error) {
	answer, err := c.get(ctx, "/users/"+id, nil)
	var refused *APIError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound && refused.code == "resource_not_found" {
		return true, nil
	}
	if err == nil && answer.Get("id").Str != id {
		err = errors.New("the answer of Clerk's API is about another user than the one that was asked for: check --api")
	}
	return false, err
}

// Interface guards
var (
	_ list = (*users)(nil)
	_ list = (*numbered)(nil)
	_ list = (*lookup)(nil)
)
