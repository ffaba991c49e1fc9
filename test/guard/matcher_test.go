package guard_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const (
	organizationCreated = `{"data":{"id":"org_1","name":"Example"},"object":"event","type":"organization.created"}`
	sessionEnded        = `{"data":{"id":"sess_1"},"object":"event","type":"session.ended"}`
	untyped             = `{"data":{"id":"what_1"}}`
)

// TestMatcherSelects sends one delivery of each family through every form in
// which the matcher works.
func TestMatcherSelects(t *testing.T) {
	users := testcaddy.NewBackend(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("users")) })
	for _, test := range []struct{ name, directives string }{
		{"in handle", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			handle @users {
				respond "users"
			}
			handle @organizations {
				respond "organizations"
			}
			handle {
				respond "rest"
			}`},
		{"in route, sorted by hand", `
			route {
				clerk_webhook
				@users clerk_event user.*
				@organizations clerk_event organization*
				respond @users "users"
				respond @organizations "organizations"
				respond "rest"
			}`},
		{"on route", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			route @users {
				respond "users"
			}
			route @organizations {
				respond "organizations"
			}
			route {
				respond "rest"
			}`},
		{"on respond", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			respond @users "users"
			respond @organizations "organizations"
			respond "rest"`},
		{"on reverse_proxy, with the rest in a handle of its own", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			handle @users {
				reverse_proxy ` + users.Address + `
			}
			handle @organizations {
				respond "organizations"
			}
			handle {
				respond "rest"
			}`},
		{"on reverse_proxy itself", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			@rest not clerk_event user.* organization*
			reverse_proxy @users ` + users.Address + `
			respond @organizations "organizations"
			respond @rest "rest"`},
		{"several patterns in several lines", `
			clerk_webhook
			@known {
				clerk_event user.updated user.created
				clerk_event organization.created
			}
			@users clerk_event user.created
			handle @known {
				respond @users "users"
				respond "organizations"
			}
			respond "rest"`},
		{"negated", `
			clerk_webhook
			@rest not clerk_event user.* organization*
			@others not clerk_event user.*
			handle @rest {
				respond "rest"
			}
			handle @others {
				respond "organizations"
			}
			respond "users"`},
		{"in an expression", "\nclerk_webhook\n" +
			"@users `clerk_event('user.*')`\n" +
			"@organizations expression `clerk_event('role.*', 'organization*') && {http.clerk_webhook.event.data.id} == 'org_1'`\n" +
			"@rest `!clerk_event('user.*', 'organization*')`\n" +
			"respond @users users\nrespond @organizations organizations\nrespond @rest rest"},
		{"by map, which looks when its result is used", `
			clerk_webhook
			map {http.clerk_webhook.type} {family} {
				user.created "users"
				~^organization "organizations"
				default "rest"
			}
			respond {family}`},
		{"on request_header", `
			clerk_webhook
			@users clerk_event user.*
			@organizations clerk_event organization*
			@rest not clerk_event user.* organization*
			request_header @rest X-Family rest
			request_header @users X-Family users
			request_header @organizations X-Family organizations
			respond {header.X-Family}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(secretVariable, testcaddy.Secret)
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\n"+test.directives+"\n}")
			for body, want := range map[string]string{testcaddy.UserCreated: "users", organizationCreated: "organizations", sessionEnded: "rest", untyped: "rest"} {
				if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body)); a.StatusCode != 200 || a.Text != want {
					t.Errorf("got %d %q for %s, want %q", a.StatusCode, a.Text, body, want)
				}
			}
		})
	}
}

// TestMatcherNeverMatches covers everything that is not a verified delivery
// where the matcher stands. Each site answers "no" unless it matches.
func TestMatcherNeverMatches(t *testing.T) {
	forged := func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,"+strings.Repeat("A", 43)+"=") }
	genuine := func(*http.Request) {}
	for _, test := range []struct {
		name, directives string
		change           func(*http.Request)
	}{
		{"without a guard", `
			@any clerk_event *
			respond @any "yes"
			respond "no"`, genuine},
		{"on rewrite, which comes before the guard", `
			@any clerk_event *
			rewrite @any /yes
			clerk_webhook
			@yes path /yes
			respond @yes "yes"
			respond "no"`, genuine},
		{"on header, which comes before the guard", `
			@any clerk_event *
			header @any X-Matched yes
			clerk_webhook
			respond "no"`, genuine},
		{"on vars, which comes before the guard", `
			@any clerk_event *
			vars matched "no"
			vars @any matched "yes"
			clerk_webhook
			respond {vars.matched}`, genuine},
		{"on map itself, which comes before the guard", `
			@any clerk_event *
			map {http.clerk_webhook.type} {matched} {
				default "no"
			}
			map @any {http.clerk_webhook.type} {matched} {
				default "yes"
			}
			clerk_webhook
			respond {matched}`, genuine},
		{"on redir, which comes before the guard", `
			@any clerk_event *
			redir @any /yes
			clerk_webhook
			respond "no"`, genuine},
		{"ahead of the guard in a route", `
			route {
				@any clerk_event *
				respond @any "yes"
				clerk_webhook
				respond "no"
			}`, genuine},
		{"forged, in report_only mode", `
			clerk_webhook {
				report_only
			}
			@any clerk_event *
			respond @any "yes"
			respond "no"`, forged},
		{"forged, in report_only mode, in an expression", "\n" + `
			clerk_webhook {
				report_only
			}
			` + "@any `clerk_event('*')`" + `
			respond @any "yes"
			respond "no"`, forged},
		{"forged, in handle_errors", `
			clerk_webhook
			handle_errors {
				@any clerk_event *
				respond @any "yes" 200
				respond "no" 200
			}`, forged},
		{"no POST, in report_only mode", `
			clerk_webhook {
				report_only
			}
			@any clerk_event *
			respond @any "yes"
			respond "no"`, func(r *http.Request) { r.Method = http.MethodPut }},
		{"genuine for a first guard but not for a second", `
			clerk_webhook
			route {
				clerk_webhook {
					name second
					secret ` + testcaddy.OtherSecret + `
					report_only
				}
				@any clerk_event *
				respond @any "yes"
				respond "no"
			}`, genuine},
		{"of another type", `
			clerk_webhook
			@any clerk_event user user. .created user.*d.* usercreated User.Created user.create user.createdd
			respond @any "yes"
			respond "no"`, genuine},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(secretVariable, testcaddy.Secret)
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\n"+test.directives+"\n}")
			r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
			test.change(r)
			a := testcaddy.Send(t, testcaddy.NewConnections, r)
			if a.StatusCode != 200 || a.Text != "no" || a.Header.Get("X-Matched") != "" {
				t.Errorf("got %d %q", a.StatusCode, a.Text)
			}
		})
	}
}

// TestMatcherSeesUnreadableTypeAsNone agrees with the option events.
func TestMatcherSeesUnreadableTypeAsNone(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+` {
		clerk_webhook
		@typed clerk_event *
		respond @typed "typed"
		respond "untyped"
	}`)
	for body, want := range map[string]string{testcaddy.UserCreated: "typed", untyped: "untyped", `{"type":7}`: "untyped", `[]`: "untyped", ``: "untyped"} {
		if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body)); a.Text != want {
			t.Errorf("got %q for %s, want %q", a.Text, body, want)
		}
	}
}

func TestTwoFamiliesGoToTwoUpstreams(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	users, organizations := testcaddy.NewBackend(t, nil), testcaddy.NewBackend(t, nil)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+` {
		clerk_webhook /webhooks/clerk
		handle /webhooks/clerk {
			@users clerk_event user.*
			handle @users {
				reverse_proxy `+users.Address+`
			}
			@organizations clerk_event organization*
			handle @organizations {
				reverse_proxy `+organizations.Address+`
			}
			handle {
				respond 204
			}
		}
	}`)
	url := "http://" + address + "/webhooks/clerk"

	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, testcaddy.UserCreated)); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	if got := string(testcaddy.OnlyRequest(t, users).Payload); got != testcaddy.UserCreated {
		t.Errorf("the upstream for users got %s", got)
	}
	testcaddy.WantNothing(t, organizations)

	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, organizationCreated)); a.StatusCode != 200 {
		t.Errorf("got %d", a.StatusCode)
	}
	if got := string(testcaddy.OnlyRequest(t, organizations).Payload); got != organizationCreated {
		t.Errorf("the upstream for organizations got %s", got)
	}

	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.Secret, sessionEnded)); a.StatusCode != 204 {
		t.Errorf("got %d", a.StatusCode)
	}
	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, url, testcaddy.OtherSecret, testcaddy.UserCreated)); a.StatusCode != 403 {
		t.Errorf("got %d", a.StatusCode)
	}
	testcaddy.WantNothing(t, users)
	testcaddy.WantNothing(t, organizations)
}

func TestMatcherMistakes(t *testing.T) {
	const characters = ": a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters"
	for _, test := range []struct{ name, matcher, want string }{
		{"no pattern", "@m clerk_event", "clerk_event: wrong number of arguments: write clerk_event <pattern...>, at Caddyfile:2"},
		{"an empty pattern", `@m clerk_event user.* ""`, "clerk_event: an event pattern is empty: name a type such as user.created, or remove the option to select every event, at Caddyfile:2"},
		{"a character that no type has", "@m clerk_event user/created", `clerk_event: event pattern "user/created" contains '/'` + characters + ", at Caddyfile:2"},
		{"a block", "@m clerk_event user.* {\nrole.*\n}", "clerk_event takes no block: write clerk_event <pattern...>, at Caddyfile:3"},
	} {
		t.Run("Caddyfile: "+test.name, func(t *testing.T) {
			_, err := testcaddy.Adapt(":8080 {\n\t" + test.matcher + "\n\trespond @m 200\n}")
			expectError(t, err, test.want)
		})
	}
	for _, test := range []struct{ name, matcher, want string }{
		{"no pattern", `[]`, "clerk_event: there is no pattern, so nothing would match: use * for every event"},
		{"an empty pattern", `[""]`, "clerk_event: an event pattern is empty: name a type such as user.created, or remove the option to select every event"},
		{"a character that no type has", `["user?"]`, `clerk_event: event pattern "user?" contains '?'` + characters},
		{"a string", `"user.*"`, "decoding module config: http.matchers.clerk_event: json: cannot unmarshal string into Go value of type clerkwebhook.MatchEvent"},
	} {
		t.Run("JSON: "+test.name, func(t *testing.T) {
			err := testcaddy.TryRunJSON(t, routesConfig(t, `[{"match": [{"clerk_event": `+test.matcher+`}]}]`))
			expectLoadError(t, err, test.want)
		})
	}
	for _, test := range []struct{ name, expression, want string }{
		{"no pattern", "clerk_event()", "matcher requires at least one argument"},
		{"an empty pattern", "clerk_event('')", "clerk_event: an event pattern is empty"},
		{"a character that no type has", "clerk_event('user/created')", `clerk_event: event pattern "user/created" contains '/'` + characters},
		{"a number", "clerk_event(1)", "matcher arguments must be string constants"},
	} {
		t.Run("expression: "+test.name, func(t *testing.T) {
			err := testcaddy.TryRun(t, "http://"+testcaddy.FreeAddress(t)+" {\n@m `"+test.expression+"`\nrespond @m 200\n}")
			if err == nil {
				t.Cleanup(func() { _ = caddy.Stop() })
				t.Fatal("the configuration was taken")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("got the error %q without %q", err, test.want)
			}
		})
	}
}

func TestMatcherWarnsOfUnknownEvent(t *testing.T) {
	testcaddy.Run(t, "http://"+testcaddy.FreeAddress(t)+" {\n@m clerk_event user.* user.craeted\nrespond @m 200\n}")
	const want = `clerk_event: no event that Clerk is known to send matches "user.craeted"; did you mean user.created?`
	if got := len(testcaddy.Log.Entries(t, want)); got != 1 {
		t.Errorf("got %d warnings %q in the log:\n%s", got, want, testcaddy.Log)
	}
}
