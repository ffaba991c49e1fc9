package testclerk

import (
	"fmt"
	"strings"
)

// base is when the first objects are created, in milliseconds since 1970.
const base = 1_700_000_000_000

// User returns the user with this number. Users are a second apart. The JSON has white
// space, escapes and members that nobody knows.
func User(n int) Object { return UserAt(n, 0) }

// UserAt returns the user as it is after so many changes, each of which is a day after
// the one before.
func UserAt(n, changes int) Object {
	o := Object{ID: fmt.Sprintf("user_%027d", n), Created: base + int64(n)*1000}
	o.Updated = o.Created + int64(changes)*24*3600*1000
	o.JSON = fmt.Sprintf(`{"id": %q, "object":"user",
  "first_name":"Zo\u00eb <%d>", "last_name":"Number %d",
  "primary_email_address_id":"idn_%d",
  "email_addresses":[{"id":"idn_%d","object":"email_address","email_address":"user-%d-%d@example.com"}],
  "public_metadata":{"10":1.0,"2":[ ]}, "what_nobody_knows":{"line":"\u2028&"},
  "created_at":%d, "updated_at":%d}`, o.ID, n, n, n, n, n, changes, o.Created, o.Updated)
	return o
}

// Users returns users from one number to before another.
func Users(from, to int) []Object { return several(User, from, to) }

// Organization returns the organization with this number.
func Organization(n int) Object {
	o := Object{ID: fmt.Sprintf("org_%027d", n), Created: base + int64(n)*1000}
	o.Updated = o.Created
	o.JSON = fmt.Sprintf(`{"object":"organization","id":%q,"name":"Club %d","slug":"club-%d","created_at":%d,"updated_at":%d}`, o.ID, n, n, o.Created, o.Updated)
	return o
}

// Organizations returns organizations from one number to before another.
func Organizations(from, to int) []Object { return several(Organization, from, to) }

// Membership returns the membership of the user and in the organization with this
// number.
func Membership(n int) Object {
	o := Object{ID: fmt.Sprintf("orgmem_%027d", n), Created: base + int64(n)*1000}
	o.Updated = o.Created
	o.JSON = fmt.Sprintf(`{"object":"organization_membership","id":%q,"role":"org:member","organization":{"id":%q},"public_user_data":{"user_id":%q},"created_at":%d,"updated_at":%d}`,
		o.ID, Organization(n).ID, User(n).ID, o.Created, o.Updated)
	return o
}

// Memberships returns memberships from one number to before another.
func Memberships(from, to int) []Object { return several(Membership, from, to) }

func several(one func(int) Object, from, to int) []Object {
	var all []Object
	for n := from; n < to; n++ {
		all = append(all, one(n))
	}
	return all
}

// Compact returns the JSON of an object as a webhook has it: without the white space.
// It knows only the white space of this package.
func (o Object) Compact() string {
	return strings.NewReplacer("\n  ", "", `": "`, `":"`, `, "`, `,"`, "[ ]", "[]").Replace(o.JSON)
}
