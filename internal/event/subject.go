package event

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Bounds, because a stranger can send any payload and a list shows many subjects.
const (
	maxSubject      = 160      // characters
	maxClaimRead    = 32 << 10 // bytes of the payload, from its start
	maxSubjectItems = 20       // email addresses
)

// Subject returns who or what an event is about, in one line for people: a user's name
// and email address, an organization's name, the address of an email. It returns the id
// if the payload has nothing better, and "" if it has no id either or is not JSON.
//
// The payload may come from anybody, and so does the text: it has at most 160
// characters, but they may be control characters.
func Subject(payload []byte) string {
	subject, _ := About(payload)
	return subject
}

// About returns the subject of an event, and the id of the object that it is about,
// which is data.id. It reads at most the first 32 KiB of the payload. Both texts have
// at most 160 characters.
func About(payload []byte) (subject, objectID string) {
	if len(payload) > maxClaimRead {
		payload = payload[:maxClaimRead] // of which the rest is not checked
	} else if !IsValid(payload) {
		return "", ""
	}
	data := membersOf(membersOf(gjson.Parse(string(payload)))["data"])
	subject = join(" in ", data.who(), data.place())
	subject = join(", ", subject, data.of("plan").text("name"))
	if subject == "" {
		subject = data.text("id")
	}
	return atMost(maxSubject, subject), atMost(maxSubject, data.text("id"))
}

// who names the person of an event, or the thing if there is no person.
func (m members) who() string {
	for _, name := range []string{"public_user_data", "user", "payer"} {
		if found := m.of(name).person(); found != "" {
			return found
		}
	}
	if found := m.person(); found != "" {
		return found
	}
	return m.text("to_email_address", "to_phone_number", "name", "key", "slug")
}

// person returns the name and the address of a user. Each family of events has them
// under other names.
func (m members) person() string {
	name := join(" ", m.text("first_name"), m.text("last_name"))
	contact := m.primaryEmail()
	if contact == "" {
		contact = m.text("email_address", "email", "identifier", "username")
	}
	if contact == "" {
		contact = membersOf(m["phone_numbers"].Get("0")).text("phone_number")
	}
	return join(", ", name, contact)
}

func (m members) primaryEmail() (email string) {
	if !m["email_addresses"].IsArray() {
		return ""
	}
	primary, n := m.text("primary_email_address_id"), 0
	m["email_addresses"].ForEach(func(_, value gjson.Result) bool {
		address := membersOf(value)
		isPrimary := primary != "" && address.text("id") == primary
		if n == 0 || isPrimary {
			email = address.text("email_address")
		}
		n++
		return !isPrimary && n < maxSubjectItems
	})
	return email
}

// place names the organization to which the subject belongs.
func (m members) place() string {
	for _, organization := range []string{
		m.of("organization").text("name"), m.of("public_organization_data").text("name"),
		m.of("data").of("public_organization_data").text("name"), m.of("payer").text("organization_name"),
	} {
		if organization != "" {
			return organization
		}
	}
	return ""
}

// members are the members of an object that can be part of its subject.
type members map[string]gjson.Result

var subjectMembers = []string{
	"data", "id", "public_user_data", "user", "payer", "plan", "organization", "public_organization_data", "organization_name",
	"first_name", "last_name", "email_addresses", "primary_email_address_id", "email_address", "email", "identifier", "username",
	"phone_numbers", "phone_number", "to_email_address", "to_phone_number", "name", "key", "slug",
}

// membersOf reads an object once. The last of a repeated member counts, as in
// JSON.parse.
func membersOf(object gjson.Result) members {
	if !object.IsObject() {
		return nil
	}
	found := make(members)
	object.ForEach(func(key, value gjson.Result) bool {
		if slices.Contains(subjectMembers, key.Str) {
			found[key.Str] = value
		}
		return true
	})
	return found
}

func (m members) of(name string) members { return membersOf(m[name]) }

// text returns the first of the members that is a text and not empty.
func (m members) text(names ...string) string {
	for _, name := range names {
		if value := m[name]; value.Type == gjson.String && value.Str != "" {
			return value.Str
		}
	}
	return ""
}

func join(separator, a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + separator + b
}

// atMost returns a copy, so that the payload is not kept with it.
func atMost(limit int, s string) string {
	if utf8.RuneCountInString(s) <= limit {
		return strings.Clone(s)
	}
	return string([]rune(s)[:limit-1]) + "…"
}
