package guard_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	clerkwebhook "github.com/caddyclerk/caddy-clerk-webhook"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

var update = flag.Bool("update", false, "write the JSON in testdata/adapt anew")

// secretVariable is the variable of the default secret.
const secretVariable = "CLERK_WEBHOOK_SIGNING_SECRET"

// whereSecretIs is the advice at the end of errors about secrets.
const whereSecretIs = "the Clerk Dashboard shows it under Configure > Webhooks > (your endpoint) > Signing Secret"

// TestAdapt compares what Caddyfiles adapt to with the JSON that stands below
// them in the same file, and checks that Caddy can use it.
func TestAdapt(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no files: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			const separator = "----------\n"
			source, want, _ := strings.Cut(string(content), separator)
			if formatted := caddyfile.Format([]byte(source)); string(formatted) != source {
				t.Errorf("it is not formatted as caddy fmt does it:\n%s", formatted)
			}

			config, err := testcaddy.Adapt(source)
			if err != nil {
				t.Fatal(err)
			}
			var indented bytes.Buffer
			if err := json.Indent(&indented, config, "", "\t"); err != nil {
				t.Fatal(err)
			}
			got := indented.String() + "\n"
			if *update {
				if err := os.WriteFile(file, []byte(source+separator+got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if got != want {
				t.Errorf("it adapts to\n%s", got)
			}

			var parsed caddy.Config
			if err := caddy.StrictUnmarshalJSON(config, &parsed); err != nil {
				t.Fatal(err)
			}
			if err := caddy.Validate(&parsed); err != nil {
				t.Errorf("Caddy refuses the JSON: %v", err)
			}
		})
	}
}

// TestJSONAgreesWithCaddyfile compares guards after they are provisioned, which
// is when defaults are set.
func TestJSONAgreesWithCaddyfile(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	const defaults = `{"name":"default","secret":[{"name":"1","value":"{env.CLERK_WEBHOOK_SIGNING_SECRET}"}],` +
		`"filtered":204,"tolerance":300000000000,"max_body":1048576,"body_timeout":15000000000}`
	for _, test := range []struct {
		name, caddyfile, json, want string
	}{
		{"nothing is set", `clerk_webhook`, `{}`, defaults},
		{"an empty block", "clerk_webhook {\n}", `{"secret": [], "events": []}`, defaults},
		{
			"everything is set",
			`clerk_webhook {
				name orders
				secret main {env.CLERK_WEBHOOK_SIGNING_SECRET}
				secret {file.testdata/secret.txt} {env.CLERK_WEBHOOK_SIGNING_SECRET}
				events user.* a-b_c
				filtered 410
				tolerance 1d
				max_body 2147483646B
				body_timeout 250ms
				report_only
				deduplicate 1d storage {
					on_failure refuse
				}
				relay copy
				inspect
			}`,
			`{
				"name": "orders",
				"secret": [
					{"name": "main", "value": "{env.CLERK_WEBHOOK_SIGNING_SECRET}"},
					{"value": "{file.testdata/secret.txt}", "rotation": ["{env.CLERK_WEBHOOK_SIGNING_SECRET}"]}
				],
				"events": ["user.*", "a-b_c"],
				"filtered": 410,
				"tolerance": "1d",
				"max_body": 2147483646,
				"body_timeout": "250ms",
				"report_only": true,
				"deduplicate": {"window": "1d", "on_failure": "refuse", "store": {"module": "storage"}},
				"relay": {"copy": true},
				"inspect": true
			}`,
			`{"name":"orders","secret":[{"name":"main","value":"{env.CLERK_WEBHOOK_SIGNING_SECRET}"},` +
				`{"name":"2","value":"{file.testdata/secret.txt}","rotation":["{env.CLERK_WEBHOOK_SIGNING_SECRET}"]}],"events":["user.*","a-b_c"],` +
				`"filtered":410,"tolerance":86400000000000,"max_body":2147483646,"body_timeout":250000000,"report_only":true,"deduplicate":{"window":86400000000000,"on_failure":"refuse","store":{"module":"storage"}},"relay":{"copy":true},"inspect":true}`,
		},
		{
			"deduplicate alone", "clerk_webhook {\ndeduplicate\n}", `{"deduplicate": {}}`,
			strings.TrimSuffix(defaults, "}") + `,"deduplicate":{"window":172800000000000,"on_failure":"forward","store":{"module":"memory"}}}`,
		},
		{
			"relay alone", "clerk_webhook {\nrelay\n}", `{"relay": {}}`,
			strings.TrimSuffix(defaults, "}") + `,"relay":{}}`,
		},
		{
			"deduplicate with its longest window", "clerk_webhook {\ndeduplicate 31d memory\n}", `{"deduplicate": {"window": "744h", "store": {"module": "memory"}}}`,
			strings.TrimSuffix(defaults, "}") + `,"deduplicate":{"window":2678400000000000,"on_failure":"forward","store":{"module":"memory"}}}`,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			var fromCaddyfile, fromJSON clerkwebhook.Handler
			if err := fromCaddyfile.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.caddyfile)); err != nil {
				t.Fatal(err)
			}
			if err := caddy.StrictUnmarshalJSON([]byte(test.json), &fromJSON); err != nil {
				t.Fatal(err)
			}
			for source, h := range map[string]*clerkwebhook.Handler{"Caddyfile": &fromCaddyfile, "JSON": &fromJSON} {
				if got := provisioned(t, h); got != test.want {
					t.Errorf("from %s:\n%s, want\n%s", source, got, test.want)
				}
			}
		})
	}
}

// provisioned provisions h as Caddy does and returns it as JSON.
func provisioned(t testing.TB, h *clerkwebhook.Handler) string {
	t.Helper()
	ctx, cancel := caddy.NewContext(withStorage(t))
	defer cancel()
	if err := errors.Join(h.Provision(ctx), h.Validate()); err != nil {
		t.Fatal(err)
	}
	if err := h.Cleanup(); err != nil {
		t.Fatal(err)
	}
	exported, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return string(exported)
}

// withStorage returns the context of a configuration that has nothing but a
// storage of its own.
func withStorage(t testing.TB) caddy.Context {
	t.Helper()
	storage, err := json.Marshal(map[string]string{"module": "file_system", "root": t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := caddy.ProvisionContext(&caddy.Config{StorageRaw: storage})
	if err != nil {
		t.Fatal(err)
	}
	return ctx
}

// TestCaddyfileMistakes checks the whole error that a mistake leads to. What
// stands in a test is the inside of the directive's block, from line 3 on.
func TestCaddyfileMistakes(t *testing.T) {
	for _, test := range []struct{ name, block, want string }{
		{"an unknown option", "tolerence 5m", "unrecognized clerk_webhook option 'tolerence': the options are body_timeout, deduplicate, events, filtered, inspect, max_body, name, relay, report_only, secret, tolerance, at Caddyfile:3"},
		{"an unknown option on a later line", "name orders\n\nsecrets x", "unrecognized clerk_webhook option 'secrets': the options are body_timeout, deduplicate, events, filtered, inspect, max_body, name, relay, report_only, secret, tolerance, at Caddyfile:5"},
		{"a secret without its option", testcaddy.Secret, "unrecognized clerk_webhook option a secret: the options are body_timeout, deduplicate, events, filtered, inspect, max_body, name, relay, report_only, secret, tolerance, at Caddyfile:3"},
		{"a block for an option", "filtered 204 {\n}", "unrecognized clerk_webhook option '{': the options are body_timeout, deduplicate, events, filtered, inspect, max_body, name, relay, report_only, secret, tolerance, at Caddyfile:3"},

		{"name repeated", "name a\nname b", "name is given twice: keep one, at Caddyfile:4"},
		{"filtered repeated", "filtered 200\nfiltered 200", "filtered is given twice: keep one, at Caddyfile:4"},
		{"tolerance repeated", "tolerance 1m\ntolerance 2m", "tolerance is given twice: keep one, at Caddyfile:4"},
		{"max_body repeated", "max_body 1MiB\nmax_body 2MiB", "max_body is given twice: keep one, at Caddyfile:4"},
		{"body_timeout repeated", "body_timeout 1s\nbody_timeout 2s", "body_timeout is given twice: keep one, at Caddyfile:4"},
		{"report_only repeated", "report_only\nname a\nreport_only", "report_only is given twice: keep one, at Caddyfile:5"},

		{"deduplicate repeated", "deduplicate\ndeduplicate storage", "deduplicate is given twice: keep one, at Caddyfile:4"},

		{"name without a value", "name", "name: wrong number of arguments: write name <endpoint> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"name with two values", "name a b", "name: wrong number of arguments: write name <endpoint> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"secret without a value", "secret", "secret: wrong number of arguments: write secret [<name>] <signing_secret...> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"secret from an unset variable of the Caddyfile", "secret {$CLERK_WEBHOOK_TEST_UNSET}", "secret: wrong number of arguments: write secret [<name>] <signing_secret...> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"secret with two names", "secret a b " + testcaddy.Secret, "secret: it is not base64 after the prefix: copy all of it, to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"a name behind two secrets", "secret a " + testcaddy.Secret + " " + testcaddy.OtherSecret + " b", "secret: value 3 is not a signing secret: write a name first, and then only secrets, at Caddyfile:3"},
		{"a secret called as one in rotation", "secret a " + testcaddy.Secret + " " + testcaddy.OtherSecret + "\nsecret a/2 {env.OTHER}", `secret: two secrets have the name "a/2": give each its own, at Caddyfile:4`},
		{"a secret in rotation called as an earlier one", "secret a/3 " + testcaddy.Secret + "\nsecret a {env.A} {env.B} {env.C}", `secret: two secrets have the name "a/3": give each its own, at Caddyfile:4`},
		{"a secret in rotation that is cut off", "secret {env.A} " + testcaddy.Secret[:20], "secret: value 2: it decodes to 10 bytes, but needs at least 24: copy all of it, from whsec_ to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"an API key as name", "secret sk_test_4711 " + testcaddy.Secret, "secret: it is one of Clerk's API keys (sk_… or pk_…): a signing secret begins with whsec_; " + whereSecretIs + ", at Caddyfile:3"},
		{"events without a value", "events", "events: wrong number of arguments: write events <pattern...> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"filtered without a value", "filtered", "filtered: wrong number of arguments: write filtered <status> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"filtered with two values", "filtered 200 204", "filtered: wrong number of arguments: write filtered <status> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"tolerance without a value", "tolerance", "tolerance: wrong number of arguments: write tolerance <duration> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"tolerance with a space in it", "tolerance 5 m", "tolerance: wrong number of arguments: write tolerance <duration> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"max_body without a value", "max_body", "max_body: wrong number of arguments: write max_body <size> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"max_body with a space in it", "max_body 1 MiB", "max_body: wrong number of arguments: write max_body <size> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"body_timeout without a value", "body_timeout", "body_timeout: wrong number of arguments: write body_timeout <duration> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"body_timeout with two values", "body_timeout 1s 2s", "body_timeout: wrong number of arguments: write body_timeout <duration> (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"deduplicate with three values", "deduplicate 24h storage 24h", "deduplicate: storage takes no arguments, at Caddyfile:3"},
		{"relay repeated", "relay\nrelay copy", "relay is given twice: keep one, at Caddyfile:4"},
		{"relay with an unknown word", "relay copies", "relay: 'copies' is not a way to relay: write relay, or relay copy, at Caddyfile:3"},
		{"relay with two words", "relay copy copy", "relay: wrong number of arguments: write relay [copy] (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"inspect repeated", "inspect\ninspect", "inspect is given twice: keep one, at Caddyfile:4"},
		{"inspect with a value", "inspect 10MB", "inspect: wrong number of arguments: write inspect, without arguments (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},
		{"report_only with a value", "report_only on", "report_only: wrong number of arguments: write report_only, without arguments (an environment variable {$NAME} that is not set gives no argument), at Caddyfile:3"},

		{"tolerance turned off", "tolerance OFF", "tolerance: it cannot be 'OFF': without a limit, anyone with a captured delivery could send it again at any time: write a duration. To try old deliveries, write a long one such as 24h, at Caddyfile:3"},
		{"max_body without a limit", "max_body unlimited", "max_body: it cannot be 'unlimited': there is always a limit: write a larger size, such as 100MiB, at Caddyfile:3"},
		{"body_timeout turned off", "body_timeout none", "body_timeout: it cannot be 'none': there is always a limit: write a longer duration, such as 5m, at Caddyfile:3"},
		{"filtered turned off", "filtered off", "filtered: it cannot be 'off': to forward every event, remove the option events; filtered takes a status such as 204, at Caddyfile:3"},
		{"report_only turned off", "report_only off", "report_only: it cannot be 'off': to turn it off, remove the line, at Caddyfile:3"},
		{"inspect turned off", "inspect false", "inspect: it cannot be 'false': to turn it off, remove the line, at Caddyfile:3"},
		{"deduplicate turned off", "deduplicate off", "deduplicate: it cannot be 'off': to turn it off, remove the line, at Caddyfile:3"},
		{"secret turned off", "secret none", "secret: it cannot be 'none': there is no guard without a secret: to let everything through, use report_only or remove clerk_webhook, at Caddyfile:3"},

		{"an empty name", `name ""`, "name: a name cannot be empty, at Caddyfile:3"},
		{"a name that is too long", "name " + strings.Repeat("n", 101), "name: a name may have at most 100 bytes, at Caddyfile:3"},
		{"a secret as name", "name " + testcaddy.Secret, "name: a secret does not belong here: give a signing secret to the option secret, at Caddyfile:3"},

		{"a status that is no number", "filtered abc", "filtered: 'abc' is not a status from 200 to 599, at Caddyfile:3"},
		{"a status class", "filtered 2xx", "filtered: '2xx' is not a status from 200 to 599, at Caddyfile:3"},
		{"a status below 200", "filtered 199", "filtered: 199 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it, at Caddyfile:3"},
		{"a status above 599", "filtered 600", "filtered: 600 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it, at Caddyfile:3"},
		{"a status of zero", "filtered 0", "filtered: it cannot be '0': to forward every event, remove the option events; filtered takes a status such as 204, at Caddyfile:3"},
		{"a negative status", "filtered -204", "filtered: -204 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it, at Caddyfile:3"},
		{"a status beyond all integers", "filtered 99999999999999999999", "filtered: '99999999999999999999' is not a status from 200 to 599, at Caddyfile:3"},

		{"a duration without a unit", "tolerance 300", "tolerance: '300' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},
		{"a duration in words", "tolerance 5minutes", "tolerance: '5minutes' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},
		{"a tolerance below a second", "tolerance 500ms", `tolerance: 500ms is too short: write at least 1s (in JSON a plain number means nanoseconds: write text such as "5m"), at Caddyfile:3`},
		{"a window below a second", "deduplicate 1ms", `deduplicate: 1ms is too short: write at least 1s (in JSON a plain number means nanoseconds: write text such as "5m"), at Caddyfile:3`},
		{"a duration of zero", "tolerance 0s", "tolerance: it cannot be '0s': without a limit, anyone with a captured delivery could send it again at any time: write a duration. To try old deliveries, write a long one such as 24h, at Caddyfile:3"},
		{"a negative duration", "tolerance -5m", "tolerance: '-5m' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},
		{"a duration beyond all integers", "tolerance 9999999h", "tolerance: '9999999h' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},
		{"an empty duration", `body_timeout ""`, "body_timeout: '' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},
		{"a body_timeout of zero", "body_timeout 0", "body_timeout: it cannot be '0': there is always a limit: write a longer duration, such as 5m, at Caddyfile:3"},
		{"a negative body_timeout", "body_timeout -1s", "body_timeout: '-1s' is not a duration above zero, such as 15s or 5m, at Caddyfile:3"},

		{"a window without a unit", "deduplicate 48", "deduplicate: '48' is not a window: write a duration above zero, such as 48h, before the store, at Caddyfile:3"},
		{"a window of zero", "deduplicate 0s", "deduplicate: it cannot be '0s': to turn it off, remove the line, at Caddyfile:3"},
		{"a negative window", "deduplicate -24h storage", "deduplicate: '-24h' is not a window: write a duration above zero, such as 48h, before the store, at Caddyfile:3"},
		{"an empty window", `deduplicate ""`, "deduplicate: '' is not a window: write a duration above zero, such as 48h, before the store, at Caddyfile:3"},
		{"a window that is too long", "deduplicate 31d1s", "deduplicate: 744h0m1s is too long: a window is at most 31d, at Caddyfile:3"},
		{"a window after its store", "deduplicate storage 24h", "deduplicate: storage takes no arguments, at Caddyfile:3"},
		{"two stores", "deduplicate memory storage", "deduplicate: memory takes no arguments, at Caddyfile:3"},
		{"a store that is not built in", "deduplicate redis {env.REDIS_URL}", "deduplicate: this Caddy is built without the store redis: build it in a checkout with xcaddy build --with github.com/caddyclerk/caddy-clerk-webhook@v0.0.0=. --with github.com/caddyclerk/caddy-clerk-webhook/stores/redis@v0.0.0=./stores/redis, at Caddyfile:3"},
		{"an unknown store", "deduplicate 24h etcd", "deduplicate: 'etcd' is not a store of this Caddy, which has memory, storage, at Caddyfile:3"},
		{"a URL without its store", "deduplicate redis://:password@localhost", "deduplicate: this is not a store of this Caddy, which has memory, storage, at Caddyfile:3"},
		{"a word as window", "deduplicate forever", "deduplicate: 'forever' is not a store of this Caddy, which has memory, storage, at Caddyfile:3"},
		{"an option of no store", "deduplicate {\ntable x\n}", "deduplicate: its block has an option of a store, but no store is named: write deduplicate [<window>] <store>, at Caddyfile:5"},
		{"an option that the store does not have", "deduplicate 48h storage {\non_failure refuse\ntable x\n}", "deduplicate: storage has no options: its block may only have on_failure, at Caddyfile:5"},
		{"on_failure without a value", "deduplicate storage {\non_failure\n}", "deduplicate: on_failure: wrong number of arguments: write on_failure forward or on_failure refuse, at Caddyfile:4"},
		{"on_failure of an unknown value", "deduplicate storage {\non_failure drop\n}", "deduplicate: on_failure is forward or refuse, at Caddyfile:4"},
		{"on_failure repeated", "deduplicate storage {\non_failure refuse\non_failure forward\n}", "deduplicate: on_failure is given twice: keep one, at Caddyfile:5"},
		{"a secret in the block", "deduplicate storage {\ntable " + testcaddy.Secret + "\n}", "deduplicate: a secret does not belong here: give a signing secret to the option secret, at Caddyfile:5"},
		{"a secret as store", "deduplicate 24h " + testcaddy.Secret, "deduplicate: a secret does not belong here: give a signing secret to the option secret, at Caddyfile:3"},

		{"a size of an unknown unit", "max_body 1MX", "max_body: '1MX' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},
		{"a size of zero", "max_body 0", "max_body: it cannot be '0': there is always a limit: write a larger size, such as 100MiB, at Caddyfile:3"},
		{"a size below one byte", "max_body 0.4B", "max_body: '0.4B' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},
		{"a negative size", "max_body -1MiB", "max_body: '-1MiB' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},
		{"a size of 2 GiB", "max_body 2GiB", "max_body: '2GiB' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},
		{"a size beyond all integers", "max_body 99999999999999EB", "max_body: '99999999999999EB' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},
		{"an empty size", `max_body ""`, "max_body: '' is not a size above zero and below 2GiB, such as 1MiB, at Caddyfile:3"},

		{"a secret that is not base64", "secret whsec_not/base64!", "secret: it is not base64 after the prefix: copy all of it, to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"a secret that is too short", "secret whsec_AAECAwQFBgcICQoLDA0ODw==", "secret: it decodes to 16 bytes, but needs at least 24: copy all of it, from whsec_ to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"a secret that is cut off", "secret " + testcaddy.Secret[:20], "secret: it decodes to 10 bytes, but needs at least 24: copy all of it, from whsec_ to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"a secret that is only its prefix", "secret whsec_", "secret: it decodes to 0 bytes, but needs at least 24: copy all of it, from whsec_ to the end; " + whereSecretIs + ", at Caddyfile:3"},
		{"a secret in quotation marks", "secret `\"" + testcaddy.Secret + "\"`", "secret: it contains quotation marks: remove them; " + whereSecretIs + ", at Caddyfile:3"},
		{"a secret with white space inside", `secret "whsec_MfKQ9r8GKYqr TwjUPD8ILPZIo2LaLaSw"`, "secret: it contains white space: remove it; " + whereSecretIs + ", at Caddyfile:3"},
		{"an empty secret", `secret ""`, "secret: it is empty; " + whereSecretIs + ", at Caddyfile:3"},
		{"an empty secret with a name", `secret main ""`, "secret: it is empty; " + whereSecretIs + ", at Caddyfile:3"},
		{"a private key", "secret whsk_AAECAwQFBgcICQoLDA0ODw==", "secret: it is the sender's private key (whsk_…): use the public key (whpk_…) instead, and keep the private one away from receivers; " + whereSecretIs + ", at Caddyfile:3"},
		{"a public key that is too short", "secret whpk_AAECAwQFBgcICQoLDA0ODw==", "secret: it decodes to 16 bytes, but an Ed25519 public key (whpk_…) has exactly 32: copy all of it; " + whereSecretIs + ", at Caddyfile:3"},

		{"two secrets of one name", "secret a " + testcaddy.Secret + "\nsecret a {env.OTHER}", `secret: two secrets have the name "a": give each its own, at Caddyfile:4`},
		{"a secret called by the position of another", "secret 2 " + testcaddy.Secret + "\nsecret {env.OTHER}", `secret: two secrets have the name "2": give each its own, at Caddyfile:4`},
		{"a secret in place of its name", "secret " + testcaddy.Secret + " production", "secret: value 2 is not a signing secret: write a name first, and then only secrets, at Caddyfile:3"},
		{"a secret without prefix in place of its name", "secret MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw production", "secret: value 2 is not a signing secret: write a name first, and then only secrets, at Caddyfile:3"},
		{"a placeholder in place of its name", "secret {env.CLERK} production", "secret: value 2 is not a signing secret: write a name first, and then only secrets, at Caddyfile:3"},
		{"an empty secret name", `secret "" ` + testcaddy.Secret, "secret: a name cannot be empty, at Caddyfile:3"},
		{"a secret name that is too long", "secret " + strings.Repeat("n-", 51) + " " + testcaddy.Secret, "secret: a name may have at most 100 bytes, at Caddyfile:3"},

		{"an event with a character that no type has", "events user.created user/updated", `events: event pattern "user/updated" contains '/': a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters, at Caddyfile:3`},
		{"events separated by commas", "events user.created, user.updated", `events: event pattern "user.created," contains ',': a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters, at Caddyfile:3`},
		{"a shell pattern", "events user.?reated", `events: event pattern "user.?reated" contains '?': a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters, at Caddyfile:3`},
		{"an event in Unicode", "events usér.created", `events: event pattern "usér.created" contains 'é': a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters, at Caddyfile:3`},
		{"an empty event", `events ""`, "events: an event pattern is empty: name a type such as user.created, or remove the option to select every event, at Caddyfile:3"},
		{"a secret among the events", "events user.* " + testcaddy.Secret, "events: a secret does not belong here: give a signing secret to the option secret, at Caddyfile:3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := testcaddy.Adapt(":8080 {\n\tclerk_webhook {\n" + test.block + "\n\t}\n}")
			expectError(t, err, "parsing caddyfile tokens for 'clerk_webhook': "+test.want)
		})
	}
}

// TestDirectiveArguments covers what stands on the directive's own line.
func TestDirectiveArguments(t *testing.T) {
	for _, test := range []struct{ name, line, want string }{
		{"a path without its slash", "clerk_webhook webhooks/clerk", "clerk_webhook takes a matcher, such as /webhooks/clerk, and a block of options, but not 'webhooks/clerk', at Caddyfile:2"},
		{"a second path", "clerk_webhook /a /b", "clerk_webhook takes a matcher, such as /webhooks/clerk, and a block of options, but not '/b', at Caddyfile:2"},
		{"an option", "clerk_webhook report_only", "clerk_webhook takes a matcher, such as /webhooks/clerk, and a block of options, but not 'report_only', at Caddyfile:2"},
		{"a path with a query", "clerk_webhook /hook?token=x", "the path '/hook?token=x' contains '?', but a path has no query and no fragment: write /hook*, at Caddyfile:2"},
		{"a path with a fragment", "clerk_webhook /hook#a", "the path '/hook#a' contains '#', but a path has no query and no fragment: write /hook*, at Caddyfile:2"},
		{"a query behind two *", "clerk_webhook /api/*/hook*?x", "the path '/api/*/hook*?x' contains '?', but a path has no query and no fragment: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a * in front of the last one", "clerk_webhook /api/*/hook*", "the path '/api/*/hook*' has more than one *, so the last one stops at a slash: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"two in front of it", "clerk_webhook /*/*.x/hook*", "the path '/*/*.x/hook*' has more than one *, so the last one stops at a slash: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"two at the end", "clerk_webhook /hook**", "the path '/hook**' has more than one *, so the last one stops at a slash: write /hook*, at Caddyfile:2"},
		{"one in front of a placeholder", "clerk_webhook /api/*/{env.HOOK}*", "the path '/api/*/{env.HOOK}*' has more than one *, so the last one stops at a slash: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a doubled slash", "clerk_webhook /api//hook*", "the path '/api//hook*' has a doubled slash or dots, which Caddy removes from the path of a request: write /api/hook*, at Caddyfile:2"},
		{"dots", "clerk_webhook /api/../hook/", "the path '/api/../hook/' has a doubled slash or dots, which Caddy removes from the path of a request: write /hook*, at Caddyfile:2"},
		{"an encoded letter", "clerk_webhook /api/%68ook*", "the path '/api/%68ook*' has an encoded character, so it does not match the same path in another form: write /api/hook*, at Caddyfile:2"},
		{"encoded dots", "clerk_webhook /api/%2e%2e/hook*", "the path '/api/%2e%2e/hook*' has an encoded character, so it does not match the same path in another form: write /hook*, at Caddyfile:2"},
		{"an encoded space", "clerk_webhook /api/web%20hook*", "the path '/api/web%20hook*' has an encoded character, so it does not match the same path in another form: write \"/api/web hook*\", at Caddyfile:2"},
		{"an encoded byte that is no text", "clerk_webhook /api/%ffhook*", "the path '/api/%ffhook*' has an encoded character, so it does not match the same path in another form: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"an encoded character that is none", "clerk_webhook /api/%zzhook*", "the path '/api/%zzhook*' has an encoded character, so it does not match the same path in another form: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a route of Express", "clerk_webhook /api/:tenant/hook*", "the path '/api/:tenant/hook*' has ':', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a folder of Next.js", "clerk_webhook /api/[tenant]/hook", "the path '/api/[tenant]/hook' has '[', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a route of Laravel", "clerk_webhook /api/{tenant}/hook*", "the path '/api/{tenant}/hook*' has '{', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a route of Flask", "clerk_webhook /api/<string:tenant>/hook", "the path '/api/<string:tenant>/hook' has '<', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a route of TanStack", "clerk_webhook /api/$tenant/hook", "the path '/api/$tenant/hook' has '$', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name that can be missing", "clerk_webhook /api/[[...slug]]", "the path '/api/[[...slug]]' has '[', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"an end as in an expression", "clerk_webhook /api/hook$", "the path '/api/hook$' has '$', but a path matcher knows no routes, expressions or lists: write /api/hook*, at Caddyfile:2"},
		{"paths with a comma", "@hook path /api/hook*, /x\n\tclerk_webhook @hook", "the path '/api/hook*,' has ',', but a path matcher knows no routes, expressions or lists: write /api/hook*, at Caddyfile:3"},
		{"an expression as in nginx", "@hook path ^/api/hook*\n\tclerk_webhook @hook", "the path '^/api/hook*' does not begin with a slash: write only the path, such as /api/webhooks*, at Caddyfile:3"},
		{"any end as in an expression", "clerk_webhook /api/hook.*", "the path '/api/hook.*' has '.*', but a path matcher knows no routes, expressions or lists: write /api/hook*, at Caddyfile:2"},
		{"any part as in an expression", "clerk_webhook /api/.+/hook*", "the path '/api/.+/hook*' has '.+', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a * with a name", "clerk_webhook /api/*splat", "the path '/api/*splat' has '*s', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a + as in Fiber", "clerk_webhook /api/+", "the path '/api/+' has '/+', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"two paths in quotes", "@hook path \"/api/hook /x\"\n\tclerk_webhook @hook", "the path '/api/hook /x' has ' /', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:3"},
		{"a space at the end", "@hook path \"/api/hook* \"\n\tclerk_webhook @hook", "the path '/api/hook* ' has ' ', but a path matcher knows no routes, expressions or lists: write /api/hook*, at Caddyfile:3"},
		{"a slash behind the *", "clerk_webhook /api/hook*/", "the path '/api/hook*/' has '*/', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a comma without a space", "clerk_webhook /api/hook,/x", "the path '/api/hook,/x' has ',/', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name with a pattern", "clerk_webhook /api/{t:.+}/hook*", "the path '/api/{t:.+}/hook*' has '{', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a name in a word", "clerk_webhook /api/v:version/hook*", "the path '/api/v:version/hook*' has ':', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"an optional part", "clerk_webhook /api/(:t/)hook*", "the path '/api/(:t/)hook*' has '(', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"an escape", "@hook path /api/\\*hook\n\tclerk_webhook @hook", "the path '/api/\\*hook' has '\\', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:3"},
		{"a choice", "clerk_webhook /api/(a|b)/*/hook", "the path '/api/(a|b)/*/hook' has '(', but a path matcher knows no routes, expressions or lists: use a named matcher such as path_regexp (?is)^/api/(.*/)?webhooks, where (.*/)? stands for parts that vary, at Caddyfile:2"},
		{"a mistake with a key", "clerk_webhook /api/*/C2FVsBQIhrscChlQIMV+b5sSYspob7oD*", "the path has more than one *, so the last one stops at a slash, at Caddyfile:2"},
		{"a name with a key", "clerk_webhook /api/:C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "the path has ':', but a path matcher knows no routes, expressions or lists, at Caddyfile:2"},
		{"a name with a key that has a slash", "clerk_webhook /$VFQhWppSPXOIkomP2q16LevngsrpkO0/d0gC5eVuCYI=", "the path has '$', but a path matcher knows no routes, expressions or lists, at Caddyfile:2"},
		{"a named matcher with a query", "@hook path /hook /other?x\n\tclerk_webhook @hook", "the path '/other?x' contains '?', but a path has no query and no fragment: write /other*, at Caddyfile:3"},
		{"one with a path without its slash", "@hook path api/hook*\n\tclerk_webhook @hook", "the path 'api/hook*' does not begin with a slash: write only the path, such as /api/webhooks*, at Caddyfile:3"},
		{"one with dots at its start", "@hook path ./hook\n\tclerk_webhook @hook", "the path './hook' does not begin with a slash: write only the path, such as /api/webhooks*, at Caddyfile:3"},
		{"a secret", "clerk_webhook /hook " + testcaddy.Secret, "clerk_webhook takes a matcher, such as /webhooks/clerk, and a block of options, but not a secret, at Caddyfile:2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := testcaddy.Adapt(":8080 {\n\t" + test.line + "\n}")
			expectError(t, err, "parsing caddyfile tokens for 'clerk_webhook': "+test.want)
		})
	}
}

// Caddy reads these paths as people mean them.
func TestDirectiveTakesPaths(t *testing.T) {
	for _, path := range []string{"*", "/*", "/hook*", "/hook/*", "/hook/", "*/hook", "*hook*", "/api/*/hook", "/a.b*", "/v1.x*", "/{env.HOOK}*", "{env.HOOK}", "/kapı*", `"/web hook*"`} {
		if _, err := testcaddy.Adapt(":8080 {\n\t@hook path /x " + path + "\n\tclerk_webhook @hook\n}"); err != nil {
			t.Error(err)
		}
	}
}

// TestJSONMistakes checks what a mistake in JSON leads to, after Caddy's own
// words about where in the configuration it stands.
func TestJSONMistakes(t *testing.T) {
	const decoding = "decoding module config: http.handlers.clerk_webhook: "
	for _, test := range []struct{ name, guard, want string }{
		{"an unknown field", `"tolerence": "5m"`, decoding + `json: unknown field "tolerence"`},
		{"an unknown field of a secret", `"secret": [{"key": "x"}]`, decoding + `json: unknown field "key"`},
		{"a secret that is a string", `"secret": ["x"]`, decoding + `secret: write an object, not text`},
		{"a name that is a number", `"name": 1`, decoding + `name: write text, not a number`},
		{"events that are a string", `"events": "user.created"`, decoding + `events: write a list, not text`},
		{"a status that is a string", `"filtered": "204"`, decoding + `filtered: write a whole number, not text`},
		{"a size that is a string", `"max_body": "1MiB"`, decoding + `max_body: write a whole number, not text`},
		{"a size beyond all integers", `"max_body": 100000000000000000000`, decoding + `max_body: 100000000000000000000 is not a whole number, or too large`},
		{"a duration that is none", `"tolerance": "soon"`, decoding + `tolerance: 'soon' is not a duration above zero, such as 15s or 5m`},
		{"a duration that is a flag", `"body_timeout": true`, decoding + `body_timeout: write a duration such as "5m"`},
		{"tolerance turned off", `"tolerance": "off"`, decoding + `tolerance: it cannot be 'off': without a limit, anyone with a captured delivery could send it again at any time: write a duration. To try old deliveries, write a long one such as 24h`},
		{"a window turned off", `"deduplicate": {"window": "off"}`, decoding + `deduplicate.window: it cannot be 'off': to turn deduplicate off, remove it`},
		{"a duration without a unit", `"tolerance": "300"`, decoding + `tolerance: '300' is not a duration above zero, such as 15s or 5m`},

		{"a name that is too long", `"name": "` + strings.Repeat("n", 101) + `"`, "name: a name may have at most 100 bytes"},
		{"a secret as name", `"name": "` + testcaddy.Secret + `"`, decoding + "name: a secret does not belong here: put a signing secret into secret[].value of clerk_webhook"},
		{"a status below 200", `"filtered": 199`, "filtered: 199 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it"},
		{"a status above 599", `"filtered": 600`, "filtered: 600 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it"},
		{"a negative status", `"filtered": -1`, "filtered: -1 is not a status from 200 to 599: 204 acknowledges the event, so that Svix does not retry it"},
		{"a number of seconds as tolerance", `"tolerance": 300`, `tolerance: 300ns is too short: write at least 1s (in JSON a plain number means nanoseconds: write text such as "5m")`},
		{"a number of seconds as body_timeout", `"body_timeout": 15`, `body_timeout: 15ns is too short: write at least 1ms (in JSON a plain number means nanoseconds: write text such as "5m")`},
		{"a number of seconds as window", `"deduplicate": {"window": 172800}`, `deduplicate: 172.8µs is too short: write at least 1s (in JSON a plain number means nanoseconds: write text such as "5m")`},
		{"a placeholder in the name", `"name": "{env.HOSTNAME}"`, "name: a name cannot have placeholders: write it out, or use {$NAME} in a Caddyfile"},
		{"a negative tolerance", `"tolerance": "-5m"`, decoding + "tolerance: '-5m' is not a duration above zero, such as 15s or 5m"},
		{"a negative number as tolerance", `"tolerance": -1`, "tolerance: -1ns is not a duration above zero, such as 15s or 5m"},
		{"a negative body_timeout", `"body_timeout": -1000000000`, "body_timeout: -1s is not a duration above zero, such as 15s or 5m"},
		{"a negative size", `"max_body": -1`, "max_body: -1 bytes is not a size above zero and below 2GiB, such as 1MiB"},
		{"a size of 2 GiB", `"max_body": 2147483648`, "max_body: 2147483648 bytes is not a size above zero and below 2GiB, such as 1MiB"},

		{"deduplicate that is a flag", `"deduplicate": true`, decoding + `deduplicate: write an object, not true or false`},
		{"deduplicate with an unknown field", `"deduplicate": {"windows": "1h"}`, decoding + `json: unknown field "windows"`},
		{"a negative window", `"deduplicate": {"window": "-1h"}`, decoding + "deduplicate.window: '-1h' is not a duration above zero, such as 15s or 5m"},
		{"a window that is too long", `"deduplicate": {"window": "744h1ns"}`, "deduplicate: 744h0m0.000000001s is too long: a window is at most 31d"},
		{"an unknown store", `"deduplicate": {"store": {"module": "etcd"}}`, "deduplicate: 'etcd' is not a store of this Caddy, which has memory, storage"},
		{"a store that is not built in", `"deduplicate": {"store": {"module": "postgres"}}`, "deduplicate: this Caddy is built without the store postgres: build it in a checkout with xcaddy build --with github.com/caddyclerk/caddy-clerk-webhook@v0.0.0=. --with github.com/caddyclerk/caddy-clerk-webhook/stores/postgres@v0.0.0=./stores/postgres"},
		{"a store that is a name", `"deduplicate": {"store": "storage"}`, `deduplicate: a store is an object that names its module, such as {"module": "memory"}`},
		{"a store without a name", `"deduplicate": {"store": {}}`, `deduplicate: a store is an object that names its module, such as {"module": "memory"}`},
		{"a store with an unknown field", `"deduplicate": {"store": {"module": "storage", "table": "x"}}`, `deduplicate: loading module 'storage': decoding module config: http.handlers.clerk_webhook.stores.storage: json: unknown field "table"`},
		{"an unknown on_failure", `"deduplicate": {"on_failure": "drop", "store": {"module": "storage"}}`, "deduplicate: on_failure is forward or refuse"},
		{"on_failure for a store that cannot fail", `"deduplicate": {"on_failure": "refuse"}`, "deduplicate: on_failure refuse has no effect with memory, which cannot fail: remove it, or name another store"},

		{"an empty event", `"events": [""]`, "events: an event pattern is empty: name a type such as user.created, or remove the option to select every event"},
		{"an event with a character that no type has", `"events": ["user created"]`, `events: event pattern "user created" contains ' ': a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters`},

		{"a secret without a value", `"secret": [{}]`, `secret "1": it is empty; ` + whereSecretIs},
		{"a secret of white space", `"secret": [{"name": "main", "value": " \t"}]`, `secret "main": it is empty; ` + whereSecretIs},
		{"a secret that is not base64", `"secret": [{"value": "whsec_%%%"}]`, `secret "1": it is not base64 after the prefix: copy all of it, to the end; ` + whereSecretIs},
		{"a secret that is too short", `"secret": [{"value": "whsec_AAAA"}]`, `secret "1": it decodes to 3 bytes, but needs at least 24: copy all of it, from whsec_ to the end; ` + whereSecretIs},
		{"an empty secret in rotation", `"secret": [{"value": "` + testcaddy.Secret + `", "rotation": [""]}]`, `secret "1/2": it is empty; ` + whereSecretIs},
		{"a secret in rotation without its variable", `"secret": [{"name": "a", "value": "` + testcaddy.Secret + `", "rotation": ["` + testcaddy.OtherSecret + `", "{vault.x}"]}]`, `secret "a/3": the placeholder {vault.x} has no value: use {env.NAME} or {file./path} here`},
		{"a secret called as one in rotation", `"secret": [{"name": "a", "value": "` + testcaddy.Secret + `", "rotation": ["` + testcaddy.OtherSecret + `"]}, {"name": "a/2", "value": "` + testcaddy.OtherSecret + `"}]`, `secret: two secrets have the name "a/2": give each its own`},
		{"two secrets of one name", `"secret": [{"name": "a", "value": "` + testcaddy.Secret + `"}, {"name": "a", "value": "` + testcaddy.OtherSecret + `"}]`, `secret: two secrets have the name "a": give each its own`},
		{"a secret called by the position of another", `"secret": [{"name": "2", "value": "` + testcaddy.Secret + `"}, {"value": "` + testcaddy.OtherSecret + `"}]`, `secret: two secrets have the name "2": give each its own`},
		{"a secret in place of its name", `"secret": [{"name": "` + testcaddy.Secret + `", "value": "production"}]`, decoding + "secret[].name: a secret does not belong here: put a signing secret into secret[].value of clerk_webhook"},
		{"a secret without prefix in place of its name", `"secret": [{"name": "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "value": "production"}]`, "secret: a secret is given where its name belongs: write the name first"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Setenv(secretVariable, testcaddy.Secret)
			guard := `{"handler": "clerk_webhook", ` + test.guard + `}`
			expectLoadError(t, testcaddy.TryRunJSON(t, routesConfig(t, `[{"handle": [`+guard+`]}]`)), test.want)
		})
	}
}

// routesConfig returns a configuration with one server that has the routes.
func routesConfig(t testing.TB, routes string) []byte {
	t.Helper()
	return []byte(`{
		"admin": {"disabled": true, "config": {"persist": false}},
		"storage": {"module": "file_system", "root": "` + t.TempDir() + `"},
		"apps": {"http": {"servers": {"test": {"listen": ["` + testcaddy.FreeAddress(t) + `"], "routes": ` + routes + `}}}}
	}`)
}

// expectLoadError compares what the plugin says about a refused configuration.
func expectLoadError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil {
		t.Cleanup(func() { _ = caddy.Stop() })
		t.Fatalf("the configuration was taken; want the error %q", want)
	}
	message := err.Error()
	for _, start := range []string{"loading module 'clerk_webhook': ", "module name 'clerk_event': ", "provision http.handlers.clerk_webhook: ", "invalid configuration: "} {
		if _, after, found := strings.Cut(message, start); found {
			message = after
		}
	}
	if message != want {
		t.Errorf("got the error\n%s, want\n%s", message, want)
	}
}

func expectError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("got no error, want\n%s", want)
	case err.Error() != want:
		t.Errorf("got the error\n%s, want\n%s", err, want)
	}
}

func TestNameMustBeUTF8(t *testing.T) {
	h := clerkwebhook.Handler{Name: "orders\xff"}
	expectError(t, h.Provision(withStorage(t)), "name: a name must be valid UTF-8")
}

// Go programs set the options without types of this module's internal packages.
func TestHandlerAndMatcherAreUsableFromGo(t *testing.T) {
	events := []string{"user.*"}
	exported := provisioned(t, &clerkwebhook.Handler{Secret: []clerkwebhook.Secret{{Value: testcaddy.Secret}}, Events: events})
	if !strings.Contains(exported, `"events":["user.*"]`) {
		t.Errorf("got %s", exported)
	}
	if err := clerkwebhook.MatchEvent(events).Validate(); err != nil {
		t.Error(err)
	}
}

func TestUnknownEventIsAWarning(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	for _, test := range []struct{ name, pattern, want string }{
		{"a typing mistake", "user.craeted", `events: no event that Clerk is known to send matches "user.craeted"; did you mean user.created?`},
		{"another case", "User.Created", `events: no event that Clerk is known to send matches "User.Created"; did you mean user.created?`},
		{"a mistyped family", "usr.*", `events: no event that Clerk is known to send matches "usr.*"; did you mean user.*?`},
		{"an event that Clerk no longer sends", "subscriptionItem.created", `events: Clerk no longer sends an event that matches "subscriptionItem.created"`},
		{"a family of which Clerk sends nothing any more", "*Item.created", `events: Clerk no longer sends an event that matches "*Item.created"`},
		{"a word for all events", "all", `events: no event that Clerk is known to send matches "all"; for every event, write *`},
		{"another sender's event", "invoice.paid_out-of-band", `events: no event that Clerk is known to send matches "invoice.paid_out-of-band"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			testcaddy.Run(t, "http://"+testcaddy.FreeAddress(t)+" {\n clerk_webhook {\n events user.deleted "+test.pattern+"\n}\n}")
			if got := len(testcaddy.Log.Entries(t, test.want)); got != 1 {
				t.Errorf("got %d warnings %q in the log:\n%s", got, test.want, testcaddy.Log)
			}
		})
	}
}

func TestKnownEventsAreNoWarning(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	patterns := append(slices.DeleteFunc(event.Catalogue(), event.NoLongerSent), "*", "user.*", "*.deleted", "organization*", "subscriptionItem.*", "*.created")
	testcaddy.Run(t, "http://"+testcaddy.FreeAddress(t)+" {\n clerk_webhook {\n events "+strings.Join(patterns, " ")+"\n}\n}")
	for _, warning := range []string{"no event that Clerk is known to send", "no longer sends"} {
		if strings.Contains(testcaddy.Log.String(), warning) {
			t.Error(testcaddy.Log)
		}
	}
}

// Times that are valid, but protect less than most people want, are warned about.
func TestTimesThatProtectLessAreAWarning(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	const (
		long  = "tolerance is over an hour: anyone with a captured delivery can send it again for that long; 5m is enough for Clerk and Svix, because they make a new signature for each attempt"
		short = "the window of deduplicate is shorter than tolerance: a copy that comes after the window can still be fresh, and is then forwarded again; write a window that is at least as long as tolerance"
	)
	for _, test := range []struct {
		name, options string
		long, short   int
	}{
		{"the defaults", "deduplicate", 0, 0},
		{"a tolerance of an hour", "tolerance 1h", 0, 0},
		{"a tolerance over an hour", "tolerance 61m", 1, 0},
		{"a window below tolerance", "deduplicate 4m", 0, 1},
		{"a window that equals tolerance", "deduplicate 5m", 0, 0},
		{"both", "tolerance 3d\ndeduplicate", 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			testcaddy.Run(t, "http://"+testcaddy.FreeAddress(t)+" {\n clerk_webhook {\n"+test.options+"\n}\n}")
			for message, want := range map[string]int{long: test.long, short: test.short} {
				if got := len(testcaddy.Log.Entries(t, message)); got != want {
					t.Errorf("got %d warnings %q, want %d", got, message, want)
				}
			}
		})
	}
}

// secretLiteral is more than the prefix, which errors may name.
var secretLiteral = regexp.MustCompile(`wh(sec|sk|pk)_[A-Za-z0-9+/]`)

func FuzzCaddyfile(f *testing.F) {
	f.Add("clerk_webhook")
	f.Add("clerk_webhook {\n\tname orders\n\tsecret main " + testcaddy.Secret + "\n\tevents user.* *.deleted\n\tfiltered 202\n\ttolerance 1m\n\tmax_body 1MiB\n\tbody_timeout 5s\n\treport_only\n\tinspect\n}")
	f.Add("clerk_webhook " + testcaddy.Secret)
	f.Add("clerk_webhook {\n\tdeduplicate 24h storage\n}")
	f.Add("clerk_webhook {\n\tdeduplicate memory\n}")
	f.Add("clerk_webhook {\n\tsecret a b " + testcaddy.Secret + "\n\tsecret " + testcaddy.Secret + " a\n}")
	f.Add("clerk_webhook {\n\tsecret {env.HOME} {file./dev/null}\n\tevents {\n\t}\n}")
	f.Add("clerk_webhook {\n\ttolerance -1d1d\n\tmax_body 1e9EiB\n\tfiltered +204\n\tname \"\"\n}")
	base := withStorage(f)
	f.Fuzz(func(t *testing.T, input string) {
		tokens, err := caddyfile.Tokenize([]byte(input), "Caddyfile")
		if err != nil || len(tokens) == 0 {
			return // Caddy itself refuses it
		}
		var h clerkwebhook.Handler
		if err := h.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)); err != nil {
			if secretLiteral.MatchString(err.Error()) {
				t.Errorf("the error %q repeats a secret", err)
			}
			return
		}
		exported, err := json.Marshal(&h)
		if err != nil {
			t.Fatal(err)
		}
		var fromJSON clerkwebhook.Handler
		if err := caddy.StrictUnmarshalJSON(exported, &fromJSON); err != nil {
			t.Fatalf("the JSON %s is refused: %v", exported, err)
		}

		h.Name = "fuzz"            // each name stays in the metrics as long as the process lives
		whole := len(h.Secret) > 0 // no placeholder is left to be resolved
		for i := range h.Secret {
			h.Secret[i].Name = "" // so does each of these
			whole = whole && !strings.Contains(h.Secret[i].Value, "{")
		}
		ctx, cancel := caddy.NewContext(base)
		defer cancel()
		if err := h.Provision(ctx); err != nil {
			if whole {
				t.Errorf("what was taken from the Caddyfile is refused later: %v", err)
			}
		} else if err := h.Validate(); err != nil {
			t.Errorf("what was provisioned is not valid: %v", err)
		}
		if err := h.Cleanup(); err != nil {
			t.Fatal(err)
		}
	})
}
