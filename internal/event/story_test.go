package event_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

var storyTime = time.Date(2031, 5, 6, 7, 8, 9, 123_000_000, time.UTC)

// tell returns the payloads of events that happen a minute apart.
func tell(t *testing.T, story *event.Story, types ...string) []gjson.Result {
	t.Helper()
	var told []gjson.Result
	for i, eventType := range types {
		payload, known := story.Tell(eventType, storyTime.Add(time.Duration(i)*time.Minute))
		if !known {
			t.Fatalf("%s is not known", eventType)
		}
		canonical, err := event.Canonical(payload)
		if err != nil || string(canonical) != string(payload) {
			t.Errorf("%s: JavaScript would write it as %s, %v\ngot %s", eventType, canonical, err, payload)
		}
		told = append(told, gjson.ParseBytes(payload))
	}
	return told
}

func TestStoryKeepsTheShapeOfEveryExample(t *testing.T) {
	for _, eventType := range event.Catalogue() {
		t.Run(eventType, func(t *testing.T) {
			example, _ := event.Example(eventType)
			got := tell(t, event.NewStory(), eventType)[0]
			if want, got := shape(gjson.ParseBytes(example)), shape(got); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if got.Get("type").Str != eventType {
				t.Errorf("the type is %s", got.Get("type"))
			}
		})
	}
}

// shape describes the names and kinds of values. It has the values themselves only
// where a story must not change them.
func shape(value gjson.Result) string {
	var b strings.Builder
	switch {
	case value.IsObject():
		value.ForEach(func(key, member gjson.Result) bool {
			fmt.Fprintf(&b, "%s:%s,", key.Str, shape(member))
			return true
		})
		return "{" + b.String() + "}"
	case value.IsArray():
		for _, element := range value.Array() {
			b.WriteString(shape(element) + ",")
		}
		return "[" + b.String() + "]"
	case value.Type == gjson.Number && value.Num > 1e12:
		return "time"
	case value.Type == gjson.String:
		text := times.ReplaceAllString(id.ReplaceAllString(value.Str, "$1 id"), "time")
		return handle.ReplaceAllString(address.ReplaceAllString(text, "$1@"), "$1")
	}
	return value.Raw
}

var (
	id      = regexp.MustCompile(`^([a-z_]+)_[0-9A-Za-z]{27}$`)
	times   = regexp.MustCompile(`^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$|^\d+ [A-Z][a-z]+ 20\d\d, \d\d:\d\d UTC$`)
	address = regexp.MustCompile(`^([a-z.]+)\+[0-9a-z]{6}@`)
	handle  = regexp.MustCompile(`^(nadia_okafor|crm-48213|bluefin-rowing-club)[_-][0-9a-z]{6}$`)
)

func TestStoryOfEveryEventHasTimesAroundNow(t *testing.T) {
	for _, eventType := range event.Catalogue() {
		t.Run(eventType, func(t *testing.T) {
			payload := tell(t, event.NewStory(), eventType)[0]
			if got := payload.Get("timestamp").Int(); got != storyTime.UnixMilli() {
				t.Errorf("the timestamp is %d", got)
			}
			if updated := payload.Get("data.updated_at"); updated.Exists() && updated.Int() != storyTime.UnixMilli()-27 {
				t.Errorf("updated_at is %d", updated.Int())
			}
			forEachTime(payload, "", func(path string, at time.Time) {
				if distance := at.Sub(storyTime); distance < -60*24*time.Hour || distance > 60*24*time.Hour {
					t.Errorf("%s is %s, %s from now", path, at, distance)
				}
			})
		})
	}
}

func forEachTime(value gjson.Result, path string, f func(path string, at time.Time)) {
	value.ForEach(func(key, member gjson.Result) bool {
		switch {
		case member.Type == gjson.Number && member.Num > 1e12:
			f(path+"."+key.Str, time.UnixMilli(member.Int()))
		case member.IsObject() || member.IsArray():
			forEachTime(member, path+"."+key.Str, f)
		}
		return true
	})
}

func TestStoryOfCreatedThingsBeginsNow(t *testing.T) {
	for _, eventType := range event.Catalogue() {
		if !strings.HasSuffix(eventType, ".created") {
			continue
		}
		t.Run(eventType, func(t *testing.T) {
			data := tell(t, event.NewStory(), eventType)[0].Get("data")
			if created := data.Get("created_at"); created.Exists() && created.Int() != data.Get("updated_at").Int() {
				t.Errorf("created at %d, updated at %d", created.Int(), data.Get("updated_at").Int())
			}
		})
	}
}

func TestStoryOfOneUser(t *testing.T) {
	told := tell(t, event.NewStory(), "user.created", "user.updated", "session.created", "user.deleted")
	created, updated, session, deleted := told[0].Get("data"), told[1].Get("data"), told[2].Get("data"), told[3].Get("data")

	for name, got := range map[string]string{
		"user.updated":                created.Get("id").Str,
		"session.created":             session.Get("user_id").Str,
		"user of the session.created": session.Get("user.id").Str,
		"user.deleted":                deleted.Get("id").Str,
	} {
		if got != created.Get("id").Str {
			t.Errorf("%s is about %s, not %s", name, got, created.Get("id"))
		}
	}
	for _, path := range []string{"created_at", "legal_accepted_at", "email_addresses", "external_accounts", "external_id", "username", "primary_email_address_id"} {
		if updated.Get(path).Raw != created.Get(path).Raw {
			t.Errorf("%s changed from %s to %s", path, created.Get(path).Raw, updated.Get(path).Raw)
		}
	}
	if was, is := created.Get("updated_at").Int(), updated.Get("updated_at").Int(); is-was != time.Minute.Milliseconds() {
		t.Errorf("updated_at moved from %d to %d", was, is)
	}
	if session.Get("user").Raw != updated.Raw {
		t.Errorf("the session's user is not the user of the last payload:\n%s\n%s", session.Get("user").Raw, updated.Raw)
	}
	forEachTime(updated, "", func(path string, at time.Time) {
		if at.UnixMilli() < created.Get("created_at").Int() && !strings.Contains(path, "email_addresses") && !strings.Contains(path, "external_accounts") {
			t.Errorf("%s is before the user was created", path)
		}
	})
}

func TestStoriesOfOtherThings(t *testing.T) {
	for _, tt := range []struct {
		name  string
		types []string
		same  [][2]string // path in the first payload, path in the last
	}{
		{"a session keeps its client and when it expires", []string{"session.created", "session.ended"}, [][2]string{
			{"data.id", "data.id"},
			{"data.client_id", "data.client_id"},
			{"data.created_at", "data.created_at"},
			{"data.expire_at", "data.expire_at"},
			{"data.abandon_at", "data.abandon_at"},
			{"data.user", "data.user"},
		}},
		{"an invitation is accepted", []string{"organizationInvitation.created", "organizationInvitation.accepted"}, [][2]string{
			{"data.id", "data.id"}, {"data.created_at", "data.created_at"}, {"data.expires_at", "data.expires_at"},
		}},
		{"a member joins the organization that was created", []string{"organization.created", "organizationMembership.created"}, [][2]string{
			{"data", "data.organization"},
		}},
		{"a membership ends as the one that began", []string{"organizationMembership.created", "organizationMembership.deleted"}, [][2]string{
			{"data.id", "data.id"}, {"data.created_at", "data.created_at"}, {"data.public_user_data", "data.public_user_data"},
		}},
		{"a role has the permission that was created", []string{"permission.created", "role.created"}, [][2]string{
			{"data", "data.permissions.0"},
		}},
		{"a subscription keeps its payer", []string{"subscription.created", "subscription.active"}, [][2]string{
			{"data.id", "data.id"}, {"data.payer", "data.payer"}, {"data.created_at", "data.created_at"}, {"data.active_at", "data.active_at"},
		}},
		{"a subscription item keeps its times from its creation to its end", []string{"subscriptionItem.created", "subscriptionItem.active", "subscriptionItem.ended"}, [][2]string{
			{"data.id", "data.id"},
			{"data.created_at", "data.created_at"},
			{"data.created_at", "data.period_start"},
			{"data.payer", "data.payer"},
			{"data.subscription_id", "data.subscription_id"},
		}},
		{"a payment is of one invoice", []string{"paymentAttempt.created", "paymentAttempt.updated"}, [][2]string{
			{"data.id", "data.id"}, {"data.invoice_id", "data.invoice_id"}, {"data.subscription_items.0.id", "data.subscription_items.0.id"},
		}},
		{"a waitlist entry is invited", []string{"waitlistEntry.created", "waitlistEntry.updated"}, [][2]string{
			{"data.id", "data.id"}, {"data.created_at", "data.created_at"}, {"data.email_address", "data.email_address"},
		}},
		{"a user signs in where the email address was verified", []string{"user.created", "session.created"}, [][2]string{
			{"data.email_addresses.0.verification.verified_at_client", "data.client_id"},
		}},
		{"a user's phone number was verified in the same place as the email address", []string{"user.created", "user.updated"}, [][2]string{
			{"data.email_addresses.0.verification.verified_at_client", "data.phone_numbers.0.verification.verified_at_client"},
			{"data.external_accounts.0.external_account_id", "data.external_accounts.0.external_account_id"},
		}},
		{"an invitation is to the organization that was created", []string{"organization.created", "organizationInvitation.created"}, [][2]string{
			{"data.id", "data.data.public_organization_data.id"}, {"data.slug", "data.data.public_organization_data.slug"},
		}},
		{"an email goes to the user", []string{"user.created", "email.created"}, [][2]string{
			{"data.id", "data.user_id"}, {"data.primary_email_address_id", "data.email_address_id"}, {"data.email_addresses.0.email_address", "data.to_email_address"},
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := tell(t, event.NewStory(), tt.types...)
			first, last := told[0], told[len(told)-1]
			for _, paths := range tt.same {
				if a, b := first.Get(paths[0]), last.Get(paths[1]); !a.Exists() || a.Raw != b.Raw {
					t.Errorf("%s is %s, but %s is %s", paths[0], a.Raw, paths[1], b.Raw)
				}
			}
			if a, b := first.Get("data.updated_at"), last.Get("data.updated_at"); a.Exists() && b.Exists() && b.Int() <= a.Int() {
				t.Errorf("updated_at does not move on: %d, %d", a.Int(), b.Int())
			}
		})
	}
}

// Whatever came before, a payload has the shape of its example. Each event follows
// one other here. The tests with the build tag long try all pairs.
func TestStoryOfAnyTwoEventsKeepsTheirShapes(t *testing.T) {
	catalogue := event.Catalogue()
	for i, second := range catalogue {
		checkShapeAfter(t, catalogue[(i+len(catalogue)/2)%len(catalogue)], second)
	}
}

func checkShapeAfter(t *testing.T, first, second string) {
	t.Helper()
	got := tell(t, event.NewStory(), first, second)[1]
	example, _ := event.Example(second)
	for _, path := range []string{"@keys", "data.@keys"} {
		if got, want := got.Get(path).Raw, gjson.GetBytes(example, path).Raw; got != want {
			t.Errorf("after %s, %s has %s, not %s", first, second, got, want)
		}
	}
	if created, updated := got.Get("data.created_at"), got.Get("data.updated_at"); updated.Exists() && !strings.HasPrefix(second, "subscriptionItem.") && created.Int() > updated.Int() {
		t.Errorf("after %s, %s was created at %d and updated at %d", first, second, created.Int(), updated.Int())
	}
}

func TestStoryStartsOverWithASecondCreation(t *testing.T) {
	told := tell(t, event.NewStory(), "user.created", "user.created", "user.updated")
	if told[0].Get("data.id").Str == told[1].Get("data.id").Str {
		t.Error("the second user has the id of the first")
	}
	for _, path := range []string{"email_addresses.0.email_address", "username", "external_id"} {
		if told[0].Get("data."+path).Str == told[1].Get("data."+path).Str {
			t.Errorf("both users have the %s %s", path, told[0].Get("data."+path))
		}
	}
	if told[1].Get("data.id").Str != told[2].Get("data.id").Str {
		t.Error("the update is not about the second user")
	}
}

func TestStoriesShareOnlyTheInstance(t *testing.T) {
	a, b := event.NewStory(), event.NewStory()
	for _, eventType := range event.Catalogue() {
		one, other := ids(tell(t, a, eventType)[0]), ids(tell(t, b, eventType)[0])
		for id := range one {
			if other[id] && !strings.HasPrefix(id, "ins_") && !strings.HasPrefix(id, "cplan_") && !strings.HasPrefix(id, "cprd_") && !strings.HasPrefix(id, "cpayee_") {
				t.Errorf("%s: both stories have %s", eventType, id)
			}
		}
	}
}

func ids(value gjson.Result) map[string]bool {
	found := make(map[string]bool)
	for _, text := range regexp.MustCompile(`"[a-z_]+_[0-9A-Za-z]{27}"`).FindAllString(value.Raw, -1) {
		found[strings.Trim(text, `"`)] = true
	}
	return found
}

func TestTimeOfAStoryIncreasesWithinAMillisecond(t *testing.T) {
	story := event.NewStory()
	last := int64(0)
	for range 3 {
		payload, _ := story.Tell("user.updated", storyTime)
		if at := gjson.GetBytes(payload, "data.updated_at").Int(); at <= last {
			t.Errorf("updated_at is %d after %d", at, last)
		} else {
			last = at
		}
	}
}

func TestStoryOfUnknownEvent(t *testing.T) {
	if payload, known := event.NewStory().Tell("user.bored", storyTime); known {
		t.Errorf("got %s", payload)
	}
}

func TestNewID(t *testing.T) {
	early, late := event.NewID("msg", storyTime), event.NewID("msg", storyTime.Add(time.Second))
	for _, id := range []string{early, late} {
		if !regexp.MustCompile(`^msg_[0-9A-Za-z]{27}$`).MatchString(id) {
			t.Errorf("%q is not an id", id)
		}
	}
	if early >= late {
		t.Errorf("%s of a second before is not less than %s", early, late)
	}
	if again := event.NewID("msg", storyTime); again == early {
		t.Errorf("%s was given twice", again)
	}
}
