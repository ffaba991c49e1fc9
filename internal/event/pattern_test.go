package event

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPatternValidate(t *testing.T) {
	const allowed = ": a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters"
	tests := []struct {
		name    string
		pattern Pattern
		err     string // "" if it is valid
	}{
		{"a type", "user.created", ""},
		{"a family", "user.*", ""},
		{"an action", "*.deleted", ""},
		{"a prefix", "organization*", ""},
		{"everything", "*", ""},
		{"every character that a type may have", "azAZ09-_.", ""},
		{"several stars", "*.*-*", ""},
		{"a type of no sender", "x", ""},

		{"empty", "", "an event pattern is empty: name a type such as user.created, or remove the option to select every event"},
		{"a comma between two", "user.created,user.updated", `event pattern "user.created,user.updated" contains ','` + allowed},
		{"a space", "user created", `event pattern "user created" contains ' '` + allowed},
		{"only a space", " ", `event pattern " " contains ' '` + allowed},
		{"a tab", "user\tcreated", `event pattern "user\tcreated" contains '\t'` + allowed},
		{"a question mark, which other wildcards have", "user.create?", `event pattern "user.create?" contains '?'` + allowed},
		{"a backslash", `user\*`, `event pattern "user\\*" contains '\\'` + allowed},
		{"brackets", "user.[cu]*", `event pattern "user.[cu]*" contains '['` + allowed},
		{"a slash", "user/created", `event pattern "user/created" contains '/'` + allowed},
		{"a colon", "user:created", `event pattern "user:created" contains ':'` + allowed},
		{"quotes", `"user.created"`, `event pattern "\"user.created\"" contains '"'` + allowed},
		{"a placeholder", "{env.EVENTS}", `event pattern "{env.EVENTS}" contains '{'` + allowed},
		{"a letter outside ASCII", "usér.*", `event pattern "usér.*" contains 'é'` + allowed},
		{"a digit outside ASCII", "user.１", `event pattern "user.１" contains '１'` + allowed},
		{"invalid UTF-8", "user.\xff", `event pattern "user.\xff" contains '�'` + allowed},
		{"NUL", "user\x00", `event pattern "user\x00" contains '\x00'` + allowed},
		{"the first of several", "a!b?", `event pattern "a!b?" contains '!'` + allowed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.pattern.Validate()
			if tt.err == "" && err != nil || tt.err != "" && (err == nil || err.Error() != tt.err) {
				t.Errorf("got  %v\nwant %s", err, tt.err)
			}
		})
	}
}

func TestPatternMatch(t *testing.T) {
	tests := []struct {
		pattern  Pattern
		matches  []string
		excludes []string
	}{
		{"user.created", []string{"user.created"}, []string{"user.create", "user.createdd", "xuser.created", "User.created", "user-created", "user.updated", ""}},
		{"user.*", []string{"user.created", "user.", "user.a.b"}, []string{"user", "users.created", "xuser.created", "USER.created"}},
		{"*.deleted", []string{"user.deleted", ".deleted", "a.b.deleted"}, []string{"deleted", "user.deleted.x", "user.undeleted"}},
		{"organization*", []string{"organization", "organization.created", "organizationMembership.deleted"}, []string{"organizatio", "my.organization"}},
		{"*", []string{"", "a", "user.created", "a.b.c", "é", "\xff"}, nil},
		{"**", []string{"", "user.created"}, nil},
		{"*user*", []string{"user", "a.user", "user.a", "a.user.b"}, []string{"", "use", "u.s.e.r"}},
		{"*.*", []string{".", "user.created", "a.b.c"}, []string{"", "user"}},
		{"a*b*c", []string{"abc", "axbxc", "a.b.b.c", "abbc"}, []string{"ab", "acb", "abcx", "xabc"}},
		{"*a*a", []string{"aa", "aaa", "xaxa"}, []string{"a", "aax", ""}},
		{"a*a", []string{"aa", "aaa"}, []string{"a"}},
		{"user.*.*", []string{"user.a.b", "user.."}, []string{"user.a"}},
		{"*d", []string{"d", "user.created"}, []string{"", "user.creates"}},
		{"subscription.*", []string{"subscription.active"}, []string{"subscriptionItem.active"}},
	}
	for _, tt := range tests {
		t.Run(string(tt.pattern), func(t *testing.T) {
			for _, eventType := range tt.matches {
				if !tt.pattern.Match(eventType) {
					t.Errorf("does not match %q", eventType)
				}
			}
			for _, eventType := range tt.excludes {
				if tt.pattern.Match(eventType) {
					t.Errorf("matches %q", eventType)
				}
			}
		})
	}
}

// Whoever can send genuine events chooses their types.
func TestPatternMatchTakesNoTimeThatTheSenderChooses(t *testing.T) {
	start := time.Now()
	for _, pattern := range []Pattern{"*a*b*", "*a*a*a*a*a*a*b*", "*aa*ab*ba*"} {
		if pattern.Match(strings.Repeat("a", 1<<20)) {
			t.Errorf("%s matches", pattern)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestPatternIsLiteral(t *testing.T) {
	for pattern, want := range map[Pattern]bool{"user.created": true, "x": true, "user.*": false, "*": false, "a*b": false} {
		if got := pattern.IsLiteral(); got != want {
			t.Errorf("%s: %v, want %v", pattern, got, want)
		}
	}
}

func TestPatternKnown(t *testing.T) {
	for _, known := range []Pattern{"user.created", "user.*", "*.deleted", "organization*", "*", "**", "*Item.past*", "sms.created"} {
		if !known.Known() {
			t.Errorf("%s is not known", known)
		}
	}
	for _, unknown := range []Pattern{"user.craeted", "users.*", "User.created", "user", "user.", "*.", ".*", "user.created.*", "organisation*", "x"} {
		if unknown.Known() {
			t.Errorf("%s is known", unknown)
		}
	}
}

func TestPatternNearest(t *testing.T) {
	for pattern, want := range map[Pattern]string{
		"user.craeted":          "user.created",
		"user.create":           "user.created",
		"user_created":          "user.created",
		"usercreated":           "user.created",
		"users.created":         "user.created",
		"USER.CREATED":          "user.created",
		"user.creatde":          "user.created",
		"session.end":           "session.ended",
		"email.sent":            "email.created",
		"organisation.created":  "organization.created",
		"organization_created":  "organization.created",
		"subscription.past_due": "subscription.pastDue",
		"waitlistentry.created": "waitlistEntry.created",

		"users.*":             "user.*",
		"User.*":              "user.*",
		"usr.*":               "user.*",
		"sessions.*":          "session.*",
		"organisation*":       "organization.*",
		"organisation.*":      "organization.*",
		"*.craeted":           "*.created",
		"*.delete":            "*.deleted",
		"subscriptionItems.*": "subscriptionItem.*",

		"nonsense":     "",
		"foo":          "",
		"x":            "",
		"-":            "",
		"invoice.paid": "",
		"message.sent": "",
		"xyz.*":        "",
		"*.paid":       "",
		"a*":           "",
	} {
		if pattern.Known() {
			t.Errorf("%s needs no advice", pattern)
		}
		if got := pattern.Nearest(); got != want {
			t.Errorf("%s: did you mean %q? want %q", pattern, got, want)
		}
	}
}

// Advice that does not work would be worse than none.
func TestPatternNearestIsKnown(t *testing.T) {
	for _, candidate := range append(Catalogue(), families()...) {
		if pattern := Pattern(candidate); pattern.Validate() != nil || !pattern.Known() {
			t.Errorf("%s may be advised and matches nothing", candidate)
		}
		for _, typo := range []string{candidate[1:], candidate[:len(candidate)-1], candidate + "x", "x" + candidate} {
			pattern := Pattern(typo)
			if pattern.Known() || pattern.IsLiteral() != Pattern(candidate).IsLiteral() {
				continue
			}
			if nearest := pattern.Nearest(); distance(strings.ToLower(typo), strings.ToLower(nearest)) > 1 {
				t.Errorf("%s: did you mean %q? want %s or one as near", typo, nearest, candidate)
			}
		}
	}
}

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "abc", 0},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"abc", "xabc", 1},
		{"kitten", "sitting", 3},
		{"ab", "ba", 2},
		{"flaw", "lawn", 2},
		{"user.craeted", "user.created", 2},
	} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("from %q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}

// FuzzPattern compares with a regular expression that says the same.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{"user.*", "user.created"},
		{"*.deleted", "user.deleted"},
		{"*a*b", "aXbaXb"},
		{"**a**", "ba"},
		{"a*a", "a"},
		{"*a", ""},
		{"a", ""},
		{"*ab", "b"},
		{"user.created", "userXcreated"},
		{"a\nb", "*"},
		{"?", "a"},
		{`\*`, "*"},
		{"*", "\xff"},
		{"*é", "é"},
		{"a*", "a\n"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, eventType string) {
		p := Pattern(pattern)
		valid := regexp.MustCompile(`^[a-zA-Z0-9_.*-]+$`).MatchString(pattern) && !strings.HasSuffix(pattern, "\n")
		if (p.Validate() == nil) != valid {
			t.Fatalf("%q: %v", pattern, p.Validate())
		}
		// Patterns are the operator's own; the time that many stars take is no concern.
		if !valid || len(pattern) > 64 || strings.Count(pattern, "*") > 4 || len(eventType) > 64 {
			return
		}
		same := regexp.MustCompile(`(?s)^` + strings.ReplaceAll(regexp.QuoteMeta(pattern), `\*`, `.*`) + `$`)
		if got, want := p.Match(eventType), same.MatchString(eventType); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, eventType, got, want)
		}
		if p.Known() != slices.ContainsFunc(Catalogue(), same.MatchString) {
			t.Fatalf("%q is known: %v", pattern, p.Known())
		}
		if nearest := Pattern(p.Nearest()); nearest != "" && !nearest.Known() {
			t.Fatalf("%q: did you mean %q?, which matches nothing", pattern, nearest)
		}
	})
}
