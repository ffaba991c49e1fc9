package event

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

func TestSubjectOfExamples(t *testing.T) {
	for eventType, want := range map[string]string{
		"user.created":                     "Nadia Okafor, nadia.okafor@example.com",
		"user.deleted":                     "user_39ecC3sf4AmTuJQduiILGOWi21i",
		"session.created":                  "Nadia Okafor, nadia.okafor@example.com",
		"organization.created":             "Bluefin Rowing Club",
		"organization.deleted":             "bluefin-rowing-club",
		"organizationDomain.created":       "bluefin-rowing.example in Bluefin Rowing Club",
		"organizationInvitation.created":   "priya.raman@example.com in Bluefin Rowing Club",
		"organizationMembership.created":   "Tomas Lindqvist, tomas.lindqvist@example.com in Bluefin Rowing Club",
		"email.created":                    "nadia.okafor@example.com",
		"sms.created":                      "+12025550143",
		"permission.created":               "Reserve boats",
		"role.created":                     "Bosun",
		"waitlistEntry.created":            "priya.raman@example.com",
		"paymentAttempt.created":           "treasurer@bluefin-rowing.example in Bluefin Rowing Club",
		"subscription.created":             "Nadia Okafor, nadia.okafor@example.com",
		"subscriptionItem.freeTrialEnding": "Nadia Okafor, nadia.okafor@example.com, Pro",
	} {
		t.Run(eventType, func(t *testing.T) {
			payload, ok := Example(eventType)
			if got := Subject(payload); !ok || got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestEveryExampleHasASubject(t *testing.T) {
	for _, eventType := range Catalogue() {
		payload, _ := Example(eventType)
		subject, id := About(payload)
		if want := gjson.GetBytes(payload, "data.id").Str; subject == "" || id != want {
			t.Errorf("%s is about %q with the id %q, want %q", eventType, subject, id, want)
		}
	}
}

func TestSubject(t *testing.T) {
	for _, tt := range []struct{ name, payload, want string }{
		{"the primary address", `{"data":{"primary_email_address_id":"b","email_addresses":[{"id":"a","email_address":"a@x"},{"id":"b","email_address":"b@x"}]}}`, "b@x"},
		{"the first address if the primary one is missing", `{"data":{"primary_email_address_id":"c","email_addresses":[{"id":"a","email_address":"a@x"}]}}`, "a@x"},
		{"a user without an address", `{"data":{"first_name":"Ada","username":"ada","email_addresses":[]}}`, "Ada, ada"},
		{"a user with a phone number", `{"data":{"phone_numbers":[{"phone_number":"+1"}]}}`, "+1"},
		{"null values", `{"data":{"first_name":null,"last_name":"Byron"}}`, "Byron"},
		{"values of other types", `{"data":{"first_name":{"a":1},"name":7,"id":"x"}}`, "x"},
		{"nothing", `{"data":{}}`, ""},
		{"no data", `{"type":"user.created"}`, ""},
		{"data that is a list", `{"data":["a"]}`, ""},
		{"a name that is given twice", `{"data":{"name":"a","name":"b"}}`, "b"},
		{"addresses that are not a list", `{"data":{"email_addresses":{"a":{"email_address":"a@x"}},"id":"x"}}`, "x"},
		{"a long text", `{"data":{"name":"` + strings.Repeat("ä", 200) + `"}}`, strings.Repeat("ä", 159) + "…"},
		{"a long payload", `{"data":{"name":"Ada","x":"` + strings.Repeat("x", 32<<10) + `"}}`, "Ada"},
		{"a name too far from the beginning", `{"data":{"id":"x","x":"` + strings.Repeat("x", 32<<10) + `","name":"Ada"}}`, "x"},
		{"deep nesting", `{"data":{"id":"x","x":` + strings.Repeat("[", 1<<20), "x"},
		{"text that is not JSON", `{"data":{"first_name":"Ada"`, ""},
		{"no text", ``, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Subject([]byte(tt.payload)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func FuzzSubject(f *testing.F) {
	for _, eventType := range Catalogue() {
		payload, _ := Example(eventType)
		f.Add(payload)
	}
	f.Add([]byte(`{"data":{"name":"` + strings.Repeat("é", 500) + `"}}`))
	f.Add([]byte(`{"data":{"email_addresses":{"email_address":[]}}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		subject, id := About(payload)
		if n := max(utf8.RuneCountInString(subject), utf8.RuneCountInString(id)); n > maxSubject {
			t.Errorf("it has %d characters", n)
		}
	})
}
