package backfill

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Kind is a kind of objects.
type Kind string

// The kinds, in the order in which they are sent: a membership refers to a user and to
// an organization.
const (
	Users         Kind = "users"
	Organizations Kind = "organizations"
	Memberships   Kind = "memberships"
)

// Kinds returns all kinds, in the order in which they are sent.
func Kinds() []Kind { return []Kind{Users, Organizations, Memberships} }

// family is the first part of the kind's event types.
func (k Kind) family() string {
	switch k {
	case Users:
		return "user"
	case Organizations:
		return "organization"
	}
	return "organizationMembership"
}

// KindOf returns the kind of the object that has this id.
func KindOf(id string) (Kind, error) {
	for prefix, kind := range map[string]Kind{"user_": Users, "org_": Organizations, "orgmem_": Memberships} {
		if len(id) > len(prefix) && id[:len(prefix)] == prefix && isID(id) {
			return kind, nil
		}
	}
	return "", fmt.Errorf("%s is not the id of a user (user_…), an organization (org_…) or a membership (orgmem_…)", shown(id))
}

// shown quotes a text for an error. It removes secrets before it cuts the text, because
// nobody knows a part of one as a secret.
func shown(text string) string { return fmt.Sprintf("%.60q", signature.Redact(text)) }

// Ids become part of the svix-id, where a full stop is not allowed, and of commands that
// are printed, where one that begins with a dash would be an option.
var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$`)

func isID(s string) bool { return idForm.MatchString(s) }

// object is an object of the API. Times are in milliseconds since 1970.
type object struct {
	id               string
	created, updated int64
	json             string // as Clerk wrote it
}

// parseObjects reads a page, up to its first mistake.
func parseObjects(list gjson.Result) (objects []object, err error) {
	if !list.IsArray() {
		return nil, errors.New("the answer of Clerk's API is not a list: check --api")
	}
	list.ForEach(func(_, element gjson.Result) bool {
		o := object{
			id: element.Get("id").Str, json: element.Raw,
			created: element.Get("created_at").Int(), updated: element.Get("updated_at").Int(),
		}
		if !element.IsObject() || !isID(o.id) || o.created <= 0 || o.updated <= 0 {
			objects, err = nil, errors.New("an object in the answer of Clerk's API has no usable id, created_at or updated_at: check --api")
			return false
		}
		objects = append(objects, o)
		return true
	})
	return objects, err
}
