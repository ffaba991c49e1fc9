package event

import (
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// maxSubject is the length of the longest subject, in characters.
const maxSubject = 160

// Subject returns who or what an event is about, in one line for people: a user's name
// and email address, an organization's name, the address of an email. It returns the id
// if the payload has nothing better, and "" if it has no id either or is not JSON.
//
// The payload may come from anybody, and so does the text: it has at most 160
// characters, but they may be control characters.
func Subject(payload []byte) string {
	if !gjson.ValidBytes(payload) {
		return ""
	}
	data := gjson.GetBytes(payload, "data")
	subject := join(" in ", who(data), place(data))
	subject = join(", ", subject, textOf(data, "plan.name"))
	if subject == "" {
		subject = textOf(data, "id")
	}
	return atMost(maxSubject, subject)
}

// who names the person of an event, or the thing if there is no person.
func who(data gjson.Result) string {
	for _, path := range []string{"public_user_data", "user", "payer"} {
		if found := person(data.Get(path)); found != "" {
			return found
		}
	}
	if found := person(data); found != "" {
		return found
	}
	return textOf(data, "to_email_address", "to_phone_number", "name", "key", "slug")
}

// person returns the name and the address of a user. Each family of events has them
// under other names.
func person(data gjson.Result) string {
	name := join(" ", textOf(data, "first_name"), textOf(data, "last_name"))
	contact := primaryEmail(data)
	if contact == "" {
		contact = textOf(data, "email_address", "email", "identifier", "username", "phone_numbers.0.phone_number")
	}
	return join(", ", name, contact)
}

func primaryEmail(data gjson.Result) string {
	addresses := data.Get("email_addresses").Array()
	primary := textOf(data, "primary_email_address_id")
	for _, address := range addresses {
		if primary != "" && textOf(address, "id") == primary {
			return textOf(address, "email_address")
		}
	}
	if len(addresses) == 0 {
		return ""
	}
	return textOf(addresses[0], "email_address")
}

// place names the organization to which the subject belongs.
func place(data gjson.Result) string {
	return textOf(data, "organization.name", "public_organization_data.name", "data.public_organization_data.name", "payer.organization_name")
}

// textOf returns the first of the values that is a text and not empty.
func textOf(data gjson.Result, paths ...string) string {
	for _, path := range paths {
		if value := data.Get(path); value.Type == gjson.String && value.Str != "" {
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

func atMost(limit int, s string) string {
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return string([]rune(s)[:limit-1]) + "…"
}
