package guard_test

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// deeply has a value of every kind that JSON knows.
const deeply = `{"data":{"id":"user_1","email_addresses":[{"email_address":"one@example.com"},{"email_address":"two@example.com"}],` +
	`"created_at":1654012591514,"large":9007199254740993123,"negative":-1,"decimal":1.10,"power":1e3,"yes":true,"no":false,` +
	`"nothing":null,"empty":"","escaped":"a \"quoted\" \u00e9\n","brace":"{env.HOME}","list":[1,[2,3]],"object":{"a": 1},"a.b":"dotted"},` +
	`"instance_id":"ins_1","object":"event","type":"user.created"}`

// TestPlaceholders checks what each of them says in each outcome. TIMESTAMP
// stands for the one that was sent.
func TestPlaceholders(t *testing.T) {
	for _, test := range []struct {
		name, options string
		change        func(*http.Request)
		want          string
	}{
		{"forwarded", "", nil, "outcome=forwarded reason= verified=true id=msg_1 timestamp=TIMESTAMP type=user.created secret=main payload=user_1"},
		{"filtered", "events organization.*", nil, "outcome=filtered reason= verified=true id=msg_1 timestamp=TIMESTAMP type=user.created secret=main payload=user_1"},
		{"rejected for its method", "", func(r *http.Request) { r.Method = http.MethodPut }, "outcome=rejected reason=method_not_allowed verified=false id= timestamp= type= secret= payload="},
		{"rejected for a missing header", "", func(r *http.Request) { r.Header.Del("Svix-Id") }, "outcome=rejected reason=missing_header verified=false id= timestamp= type= secret= payload="},
		{"rejected for a malformed header", "", func(r *http.Request) { r.Header.Set("Svix-Id", "a.b") }, "outcome=rejected reason=malformed_header verified=false id= timestamp= type= secret= payload="},
		{"rejected for its age", "", func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") }, "outcome=rejected reason=timestamp_too_old verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
		{"rejected for a time to come", "", func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") }, "outcome=rejected reason=timestamp_too_new verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
		{"rejected for its size", "max_body 10B", nil, "outcome=rejected reason=body_too_large verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
		{"rejected for its signature", "", func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") }, "outcome=rejected reason=signature_mismatch verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
		{"let through by report_only", "report_only", nil, "outcome=forwarded reason= verified=true id=msg_1 timestamp=TIMESTAMP type=user.created secret=main payload=user_1"},
		{"let through by report_only although forged", "report_only", func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") }, "outcome=rejected reason=signature_mismatch verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
		{"let through by report_only although it is no POST", "report_only", func(r *http.Request) { r.Method = http.MethodPut }, "outcome=rejected reason=method_not_allowed verified=false id= timestamp= type= secret= payload="},
		{"let through by report_only although it is too large", "report_only\nmax_body 10B", nil, "outcome=rejected reason=body_too_large verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+` {
				header X-Told "`+testcaddy.EveryPlaceholder+`" {
					defer
				}
				clerk_webhook {
					secret main `+testcaddy.Secret+`
					`+test.options+`
				}
				respond "behind"
				handle_errors {
					respond "`+testcaddy.EveryPlaceholder+`"
				}
			}`)
			r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, deeply)
			if test.change != nil {
				test.change(r)
			}
			a := testcaddy.Send(t, testcaddy.NewConnections, r)
			told := a.Header.Get("X-Told")
			if a.StatusCode >= 400 {
				told = a.Text // by handle_errors
			}
			if want := strings.ReplaceAll(test.want, "TIMESTAMP", r.Header.Get("Svix-Timestamp")); strings.TrimSpace(told) != want {
				t.Errorf("got\n%s, want\n%s", told, want)
			}
		})
	}
}

func TestPayloadPlaceholder(t *testing.T) {
	for _, test := range []struct{ name, path, want string }{
		{"a string", "data.id", "user_1"},
		{"a string at the top", "instance_id", "ins_1"},
		{"an element of a list", "data.email_addresses.0.email_address", "one@example.com"},
		{"another element of a list", "data.email_addresses.1.email_address", "two@example.com"},
		{"beyond the end of a list", "data.email_addresses.2.email_address", ""},
		{"what is missing", "data.surname", ""},
		{"what is missing below a string", "data.id.more", ""},
		{"null", "data.nothing", ""},
		{"an empty string", "data.empty", ""},
		{"a number", "data.created_at", "1654012591514"},
		{"a number beyond what a float64 holds", "data.large", "9007199254740993123"},
		{"a negative number", "data.negative", "-1"},
		{"a decimal number as it was written", "data.decimal", "1.10"},
		{"a power as it was written", "data.power", "1e3"},
		{"true", "data.yes", "true"},
		{"false", "data.no", "false"},
		{"a list", "data.list", "[1,[2,3]]"},
		{"a list in a list", "data.list.1.0", "2"},
		{"an object", "data.object", `{"a": 1}`},
		{"escapes are read", "data.escaped", "a \"quoted\" é "},
		{"what looks like a placeholder is left alone", "data.brace", "{env.HOME}"},
		{"a key with a full stop", `data.a\.b`, "dotted"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+" {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrespond `<{http.clerk_webhook.event."+test.path+"}>`\n}")
			if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, deeply)); a.Text != "<"+test.want+">" {
				t.Errorf("got %q, want %q", a.Text, "<"+test.want+">")
			}
		})
	}
}

// TestPlaceholdersOutliveTheGuard asks for a part of the payload when the guard
// has returned, for bodies whose memory is used again and for others.
func TestPlaceholdersOutliveTheGuard(t *testing.T) {
	for _, size := range []int{100, 300 << 10} {
		body := fmt.Sprintf(`{"data":{"id":"user_1","padding":%q},"type":"user.created"}`, strings.Repeat("x", size))
		for _, test := range []struct {
			name, directives string
			status           int
			text             string
		}{
			{"in the access log", `respond "behind"`, 200, "behind"},
			{"in handle_errors after an upstream has failed", `reverse_proxy ` + testcaddy.FreeAddress(t), 502, "page for user_1 user.created true"},
			{"in handle_errors after a handler has failed", `error 503`, 503, "page for user_1 user.created true"},
		} {
			t.Run(test.name+", "+strconv.Itoa(size)+" bytes", func(t *testing.T) {
				address := testcaddy.FreeAddress(t)
				testcaddy.Run(t, "http://"+address+` {
					log
					log_append user {http.clerk_webhook.event.data.id}
					log_append outcome {http.clerk_webhook.outcome}
					clerk_webhook {
						secret `+testcaddy.Secret+`
					}
					`+test.directives+`
					handle_errors {
						respond "page for {http.clerk_webhook.event.data.id} {http.clerk_webhook.type} {http.clerk_webhook.verified}"
					}
				}`)
				for range 3 { // the second uses the memory of the first again
					a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body))
					if a.StatusCode != test.status || a.Text != test.text {
						t.Errorf("got %d %q, want %d %q", a.StatusCode, a.Text, test.status, test.text)
					}
				}
				if err := caddy.Stop(); err != nil { // which waits for the access log
					t.Fatal(err)
				}
				entries := testcaddy.Log.Entries(t, "handled request")
				if len(entries) != 3 {
					t.Fatalf("got %d access log entries", len(entries))
				}
				for _, entry := range entries {
					if entry["user"] != "user_1" || entry["outcome"] != "forwarded" {
						t.Errorf("the access log has user=%q outcome=%q", entry["user"], entry["outcome"])
					}
				}
			})
		}
	}
}

func TestSecondGuardOfARequestWins(t *testing.T) {
	for _, test := range []struct {
		name, secret string
		status       int
		want         string
	}{
		{"it verifies too", testcaddy.Secret, 200, "outcome=forwarded reason= verified=true id=msg_1 timestamp=TIMESTAMP type=user.created secret=inner payload=user_1"},
		{"it rejects", testcaddy.OtherSecret, 403, "outcome=rejected reason=signature_mismatch verified=false id=msg_1 timestamp=TIMESTAMP type= secret= payload="},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, "http://"+address+` {
				clerk_webhook {
					secret outer `+testcaddy.Secret+`
				}
				route {
					clerk_webhook {
						name inner
						secret inner `+test.secret+`
					}
					respond "`+testcaddy.EveryPlaceholder+`"
				}
				handle_errors {
					respond "`+testcaddy.EveryPlaceholder+`"
				}
			}`)
			r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, deeply)
			a := testcaddy.Send(t, testcaddy.NewConnections, r)
			want := strings.ReplaceAll(test.want, "TIMESTAMP", r.Header.Get("Svix-Timestamp"))
			if a.StatusCode != test.status || a.Text != want {
				t.Errorf("got %d %q, want %d %q", a.StatusCode, a.Text, test.status, want)
			}
		})
	}
}

// TestVariableShowsNoPayload guards the request variable behind the
// placeholders, which anything that prints variables can see.
func TestVariableShowsNoPayload(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+` {
		log
		log_append whole {http.vars.clerk_webhook}
		clerk_webhook {
			secret `+testcaddy.Secret+`
		}
		respond "<{http.vars.clerk_webhook}>"
	}`)
	a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, deeply))
	if a.Text != "<forwarded>" {
		t.Errorf("got %q", a.Text)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if log := testcaddy.Log.String(); !strings.Contains(log, "handled request") || strings.Contains(log, "one@example.com") {
		t.Errorf("got the log %s", log)
	}
}

// A value can stand in a header, whatever the user whose data it is has written.
func TestPayloadPlaceholderInAHeader(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nroute {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nrequest_header X-Bio {http.clerk_webhook.event.data.bio}\nrequest_header X-Type {http.clerk_webhook.type}\nreverse_proxy "+backend.Address+"\n}\n}")
	body := `{"type":"user\nupdated","data":{"bio":"a\nb\u0000c\r\n\td\u007f\u0085\u009bé"}}`
	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body)); a.StatusCode != http.StatusOK {
		t.Fatal(a.StatusCode)
	}
	h := testcaddy.OnlyRequest(t, backend).Header
	if bio, eventType := h.Get("X-Bio"), h.Get("X-Type"); bio != "a b c   d   é" || eventType != "user updated" {
		t.Errorf("got %q and %q", bio, eventType)
	}
}

// Another directive may use the name of the variable.
func TestPlaceholderAfterItsVariableWasTaken(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nroute {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\n}\nvars clerk_webhook mine\nrespond \"<{http.clerk_webhook.type}>\"\n}\n}")
	if a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)); a.Text != "<{http.clerk_webhook.type}>" { // as without a guard
		t.Errorf("got %d %q", a.StatusCode, a.Text)
	}
}

// TestTimestampPlaceholderIsTheSignedOne covers a message that is sent again
// with a new signature.
func TestTimestampPlaceholderIsTheSignedOne(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+` {
		clerk_webhook {
			secret `+testcaddy.Secret+`
		}
		respond "{http.clerk_webhook.id} {http.clerk_webhook.timestamp}"
	}`)
	for _, age := range []time.Duration{0, 4 * time.Minute} {
		r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
		timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now().Add(-age), testcaddy.UserCreated)
		r.Header.Set("Svix-Timestamp", timestamp)
		r.Header.Set("Svix-Signature", signature)
		if a := testcaddy.Send(t, testcaddy.NewConnections, r); a.Text != "msg_1 "+timestamp {
			t.Errorf("got %q, want msg_1 %s", a.Text, timestamp)
		}
	}
}
