// Package testclerk serves what Clerk's Backend API documents of users, organizations
// and memberships, from an instance that tests make up. It refuses requests that the
// documentation does not allow.
package testclerk

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
)

const (
	// Key is the secret key of the instance.
	Key = "sk_test_bm90IGEgcmVhbCBrZXkgb2YgYW55Ym9keQ"

	// InstanceID is the instance's id.
	InstanceID = "ins_2snWVsiN4uoxEMvNLY5KakO1erR"

	// Version is the version of the API.
	Version = "2026-05-12"
)

// Object is an object of the instance.
type Object struct {
	ID               string
	Created, Updated int64
	JSON             string
}

// Fault is what a request meets instead of its answer.
type Fault struct {
	// Status and Header are those of an error.
	Status int
	Header http.Header

	// Break closes the connection in the middle of the answer.
	Break bool
}

// LostCursor is what is answered to a cursor whose user is deleted. Clerk does not
// document it.
type LostCursor int

// The possible answers.
const (
	LostIsNotFound LostCursor = iota
	LostIsInvalid
	LostIsEmpty
	LostIsStart
)

// Instance is the API of one instance.
type Instance struct {
	// Before is called with the number of each request, from 1. What it returns
	// replaces the answer. It may change the instance.
	Before func(number int, r *http.Request) *Fault

	// LostCursor says how a cursor is answered whose user is deleted.
	LostCursor LostCursor

	mu                            sync.Mutex
	users, organizations, members []Object
	requests                      []string
	atOnce, mostAtOnce            int
}

// Add adds users, organizations or memberships, which it tells apart by their ids, or
// replaces those with the same id.
func (i *Instance) Add(objects ...Object) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, o := range objects {
		list := i.listOf(o.ID)
		if at := slices.IndexFunc(*list, func(other Object) bool { return other.ID == o.ID }); at >= 0 && len(objects) == 1 {
			(*list)[at] = o
		} else {
			*list = append(*list, o)
		}
	}
	for _, list := range []*[]Object{&i.users, &i.organizations, &i.members} {
		slices.SortStableFunc(*list, func(a, b Object) int {
			return cmp.Or(cmp.Compare(a.Created, b.Created), strings.Compare(a.ID, b.ID))
		})
	}
}

// Delete removes objects.
func (i *Instance) Delete(ids ...string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, id := range ids {
		list := i.listOf(id)
		*list = slices.DeleteFunc(*list, func(o Object) bool { return o.ID == id })
	}
}

func (i *Instance) listOf(id string) *[]Object {
	switch prefix, _, _ := strings.Cut(id, "_"); prefix {
	case "org":
		return &i.organizations
	case "orgmem":
		return &i.members
	}
	return &i.users
}

// Users returns the users that there are now, the oldest first.
func (i *Instance) Users() []Object {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.users)
}

// Requests returns the path and the query of each request so far.
func (i *Instance) Requests() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return slices.Clone(i.requests)
}

// MostAtOnce returns how many requests there were at the same time.
func (i *Instance) MostAtOnce() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.mostAtOnce
}

// ServeHTTP answers a request to the API, whose paths begin with /v1.
func (i *Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	number := i.begin(r)
	defer i.end()
	var fault *Fault
	if i.Before != nil {
		fault = i.Before(number, r)
	}
	if fault != nil && !fault.Break {
		for name, values := range fault.Header {
			w.Header()[name] = values
		}
		refuse(w, fault.Status, "fault", "as the test wants")
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+Key {
		refuse(w, http.StatusUnauthorized, "secret_key_invalid", "The provided Clerk Secret Key is invalid: "+r.Header.Get("Authorization"))
		return
	}
	if r.Method != http.MethodGet || r.Header.Get("Clerk-Api-Version") != Version {
		refuse(w, http.StatusBadRequest, "bad_request", "GET with the version is expected")
		return
	}
	body, status := i.answer(r)
	w.Header().Set("Content-Type", "application/json")
	if fault != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = io.WriteString(w, body[:len(body)/2])
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func (i *Instance) begin(r *http.Request) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.requests = append(i.requests, r.URL.RequestURI())
	i.atOnce++
	i.mostAtOnce = max(i.mostAtOnce, i.atOnce)
	return len(i.requests)
}

func (i *Instance) end() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.atOnce--
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, errorJSON(code, message))
}

func errorJSON(code, message string) string {
	text, _ := json.Marshal(map[string]any{"errors": []map[string]string{{"code": code, "message": message, "long_message": message}}})
	return string(text)
}

func (i *Instance) answer(r *http.Request) (body string, status int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch path, isAPI := strings.CutPrefix(r.URL.Path, "/v1"); {
	case !isAPI:
	case path == "/instance":
		return fmt.Sprintf(`{"object":"instance","id":%q,"environment_type":"development","allowed_origins":null,"workspace_id":null}`, InstanceID), http.StatusOK
	case path == "/users/count":
		return fmt.Sprintf(`{"object":"total_count","total_count":%d}`, len(i.users)), http.StatusOK
	case path == "/users":
		return i.list(r, i.users, "user_id", "starting_after", "created_at_after")
	case path == "/organizations":
		return i.list(r, i.organizations, "organization_id", "include_members_count", "include_missing_member_with_elevated_permissions")
	case path == "/organization_memberships":
		return i.list(r, i.members)
	case strings.HasPrefix(path, "/users/"):
		return one(i.users, strings.TrimPrefix(path, "/users/"))
	}
	return errorJSON("not_found", "no such path"), http.StatusNotFound
}

func one(list []Object, id string) (body string, status int) {
	for _, o := range list {
		if o.ID == id {
			return o.JSON, http.StatusOK
		}
	}
	return errorJSON("resource_not_found", "not found"), http.StatusNotFound
}

// list answers with a page. allowed are the parameters that it takes besides those of
// all lists. The first one can be a filter of ids.
func (i *Instance) list(r *http.Request, list []Object, allowed ...string) (body string, status int) {
	q := r.URL.Query()
	for name, values := range q {
		if !slices.Contains(append([]string{"limit", "offset", "order_by"}, allowed...), name) || len(values) > 1 && (len(allowed) == 0 || name != allowed[0]) {
			return errorJSON("form_param_unknown", name), http.StatusUnprocessableEntity
		}
	}
	limit, errLimit := number(q.Get("limit"), 10)
	offset, errOffset := number(q.Get("offset"), 0)
	after, errAfter := number(q.Get("created_at_after"), 0)
	if errLimit != nil || errOffset != nil || errAfter != nil || limit < 1 || limit > 500 {
		return errorJSON("form_param_invalid", r.URL.RawQuery), http.StatusUnprocessableEntity
	}
	if cursor := q.Get("starting_after"); cursor != "" && (offset != 0 || !slices.Contains([]string{"", "created_at", "+created_at", "-created_at"}, q.Get("order_by"))) {
		return errorJSON("form_param_invalid", "starting_after"), http.StatusUnprocessableEntity
	}
	list = slices.Clone(list)
	if q.Get("order_by") == "" || q.Get("order_by") == "-created_at" {
		slices.Reverse(list)
	}
	total := len(list)
	if len(allowed) > 0 && len(q[allowed[0]]) > 0 {
		ids := q[allowed[0]]
		if len(ids) > 100 {
			return errorJSON("form_param_invalid", allowed[0]), http.StatusUnprocessableEntity
		}
		list = slices.DeleteFunc(list, func(o Object) bool { return !slices.Contains(ids, o.ID) })
		total = len(list)
	}
	list = slices.DeleteFunc(list, func(o Object) bool { return o.Created <= int64(after) })
	if cursor := q.Get("starting_after"); cursor != "" {
		at := slices.IndexFunc(list, func(o Object) bool { return o.ID == cursor })
		switch {
		case at >= 0:
			list = list[at+1:]
		case i.LostCursor == LostIsNotFound:
			return errorJSON("resource_not_found", "starting_after"), http.StatusNotFound
		case i.LostCursor == LostIsInvalid:
			return errorJSON("form_param_invalid", "starting_after"), http.StatusUnprocessableEntity
		case i.LostCursor == LostIsEmpty:
			list = nil
		}
	}
	list = list[min(offset, len(list)):]
	list = list[:min(limit, len(list))]
	var page strings.Builder
	page.WriteString("[")
	for n, o := range list {
		if n > 0 {
			page.WriteString(",\n")
		}
		page.WriteString(o.JSON)
	}
	page.WriteString("]")
	if r.URL.Path == "/v1/users" {
		return page.String(), http.StatusOK
	}
	return fmt.Sprintf(`{"data":%s,"total_count":%d}`, page.String(), total), http.StatusOK
}

func number(text string, otherwise int) (int, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 62)
	return int(n), err
}
