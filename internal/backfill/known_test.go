package backfill

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

func knownIDs(ids ...string) *Known {
	return &Known{Name: "known.txt", Reader: strings.NewReader(strings.Join(ids, "\n") + "\n")}
}

func limit(t *testing.T, text string) Limit {
	t.Helper()
	l, err := ParseLimit(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func deletionsOf(b *backend) []string {
	var ids []string
	for _, e := range b.accepted {
		if e.IsDeletion() {
			ids = append(ids, e.Object)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestKnownUsersThatClerkDoesNotHaveAreDeleted(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 1000)...)
	o := optionsFor(t, instance, b)
	o.Known, o.MaxDeletions = knownIDs(idsOf(testclerk.Users(10, 1020))...), limit(t, "5%")
	do(t, o)
	if got := deletionsOf(b); !slices.Equal(got, idsOf(testclerk.Users(1000, 1020))) {
		t.Errorf("deleted %v", got)
	}
	last := b.accepted[len(b.accepted)-1]
	if !strings.HasPrefix(string(last.Body), `{"data":{"deleted":true,"id":"`+last.Object+`","object":"user"},"instance_id":"`+testclerk.InstanceID+`","object":"event","timestamp":`) {
		t.Errorf("payload %s", last.Body)
	}
}

func TestDeletionsAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		has   []testclerk.Object
		known []string
		limit string
		says  string
	}{
		{"if Clerk has nothing", nil, idsOf(testclerk.Users(0, 3)), "100%", "none of the 3 users in known.txt is in Clerk"},
		{"if Clerk has none of them", testclerk.Users(0, 9), idsOf(testclerk.Users(10, 13)), "100%", "none of the 3 users in known.txt is in Clerk"},
		{"if they are more than 5 %", testclerk.Users(0, 94), idsOf(testclerk.Users(0, 100)), "5%", "6 of the 100 users in known.txt (6%) are not in Clerk, and --max-deletions is 5%. If they are deleted in Clerk, give --max-deletions 6"},
		{"if they are more than a number", testclerk.Users(0, 97), idsOf(testclerk.Users(0, 100)), "2", "3 of the 100 users in known.txt (3%) are not"},
		{"if none is allowed", testclerk.Users(0, 99), idsOf(testclerk.Users(0, 100)), "0", "1 of the 100 users in known.txt (1%) are not"},
		{"if a line is not an id", testclerk.Users(0, 99), append(idsOf(testclerk.Users(0, 100)), "id"), "5%", "line 101"},
		{"if an id is of an organization", testclerk.Users(0, 99), append(idsOf(testclerk.Users(0, 100)), "org_1"), "5%", "line 101"},
		{"if a line is too long", testclerk.Users(0, 99), append(idsOf(testclerk.Users(0, 100)), strings.Repeat("u", 10_000)), "5%", "line 101 is longer"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			instance, b := &testclerk.Instance{}, &backend{}
			instance.Add(tt.has...)
			o := optionsFor(t, instance, b)
			o.Known, o.MaxDeletions = knownIDs(tt.known...), limit(t, tt.limit)
			err := New(o).Do(t.Context())
			if !errors.Is(err, ErrDeletions) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v", err)
			}
			if got := deletionsOf(b); len(got) > 0 || len(b.accepted) != len(tt.has) {
				t.Errorf("deleted %v, sent %d", got, len(b.accepted))
			}
		})
	}
}

func TestDeletionsWithinTheLimitAreSent(t *testing.T) {
	for text, gone := range map[string]int{"5%": 5, "7": 7, "100%": 99, "0.9%": 0} {
		instance, b := &testclerk.Instance{}, &backend{}
		instance.Add(testclerk.Users(0, 100-gone)...)
		o := optionsFor(t, instance, b)
		o.Known, o.MaxDeletions = knownIDs(idsOf(testclerk.Users(0, 100))...), limit(t, text)
		do(t, o)
		if got := deletionsOf(b); len(got) != gone {
			t.Errorf("%s: deleted %d", text, len(got))
		}
	}
}

// A list that leaves out users deletes nobody: each is asked for alone.
func TestAnswersThatLeaveOutUsersDeleteNobody(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 100)...)
	hidden := testclerk.User(50)
	instance.Before = func(_ int, r *http.Request) *testclerk.Fault {
		switch {
		case r.URL.Query().Has("user_id"):
			instance.Delete(hidden.ID)
		case strings.HasPrefix(r.URL.Path, "/v1/users/user_"):
			instance.Add(hidden)
		}
		return nil
	}
	o := optionsFor(t, instance, b)
	o.Known, o.MaxDeletions = knownIDs(idsOf(testclerk.Users(0, 100))...), limit(t, "5%")
	do(t, o)
	if got := deletionsOf(b); len(got) > 0 {
		t.Errorf("deleted %v", got)
	}
}

func TestNotFoundOfSomethingElseDeletesNobody(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 99)...)
	instance.Before = func(_ int, r *http.Request) *testclerk.Fault {
		if strings.HasPrefix(r.URL.Path, "/v1/users/user_") {
			return &testclerk.Fault{Status: 404} // of a proxy
		}
		return nil
	}
	o := optionsFor(t, instance, b)
	o.Known, o.MaxDeletions = knownIDs(idsOf(testclerk.Users(0, 100))...), limit(t, "5%")
	if err := New(o).Do(t.Context()); err == nil || len(deletionsOf(b)) > 0 {
		t.Errorf("deleted %v, error %v", deletionsOf(b), err)
	}
}

func TestLimits(t *testing.T) {
	for text, want := range map[string]string{"5%": "true false", "5": "true false", "7 %": "true true", "0": "false false", "2.5%": "false false", "100%": "true true"} {
		l := limit(t, text)
		if got := fmt.Sprint(l.allows(5, 100), l.allows(6, 100)); got != want && text != "5" || text == "5" && got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
	for _, text := range []string{"", "%", "five", "-1", "101%", "2.5", "NaN", "NaN%", "Inf", "1e99"} {
		if l, err := ParseLimit(text); err == nil {
			t.Errorf("%q is read as %v", text, l)
		}
	}
}

func FuzzKnownIDs(f *testing.F) {
	f.Add("user_1\n\r\nuser_2")
	f.Add("id\n")
	f.Fuzz(func(t *testing.T, text string) {
		k := &Known{Name: "x", Reader: strings.NewReader(text)}
		_ = k.each(func(ids []string) error {
			for _, id := range ids {
				if kind, err := KindOf(id); err != nil || kind != Users || !strings.Contains(text, id) || len(ids) > maxLookup {
					t.Errorf("%q of %d", id, len(ids))
				}
			}
			return nil
		})
	})
}

// What an error repeats is cut, which must not hide from Redact that it is a secret.
func TestLongSecretsAreNotRepeated(t *testing.T) {
	const password, key = "Tr0ub4dor-and-3xtra-long", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, text := range []string{
		"postgresql://postgres.abcdefghijklmnopqrst:" + password + "@aws-0-eu-central-1.pooler.example.com:6543/postgres",
		"DATABASE_URL=postgres://u8k3jfls83jd9s:" + password + "@ec2-54-73-22-169.eu-west-1.compute.example.com",
		"ws://relay.example.com/api/webhooks?token=" + key,
	} {
		_, err := KindOf(text)
		known := &Known{Name: "ids", Reader: strings.NewReader(text)}
		for _, err := range []error{err, known.Check()} {
			if err == nil || strings.Contains(err.Error(), "Tr0ub") || strings.Contains(err.Error(), key[:10]) {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}
