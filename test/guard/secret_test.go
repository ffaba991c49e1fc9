package guard_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// guarded returns a site at address whose guard has the given options and
// which answers with what the placeholders say.
func guarded(address, options string) string {
	return "http://" + address + ` {
	clerk_webhook {
		` + options + `
	}
	respond "{http.clerk_webhook.outcome} by {http.clerk_webhook.secret}"
}
`
}

func checkAnswer(t testing.TB, address, secret string, status int, text string) {
	t.Helper()
	a := testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, secret, testcaddy.UserCreated))
	if a.StatusCode != status || a.Text != text {
		t.Errorf("got %d %q, want %d %q", a.StatusCode, a.Text, status, text)
	}
}

func TestSecretPlaceholderFailsClosed(t *testing.T) {
	t.Setenv("CLERK_TEST_EMPTY", "")
	t.Setenv("CLERK_TEST_BLANK", " \n")
	t.Setenv("CLERK_TEST_QUOTED", `"`+testcaddy.Secret+`"`)
	t.Setenv("CLERK_TEST_VERSION", "v1,"+testcaddy.Secret)
	t.Setenv("CLERK_TEST_SHORT", testcaddy.Secret[:16])
	unsetenv(t, secretVariable)
	empty := testcaddy.WriteSecret(t, "")
	blank := testcaddy.WriteSecret(t, "\r\n \t\n")
	two := testcaddy.WriteSecret(t, testcaddy.Secret+"\n"+testcaddy.OtherSecret+"\n")
	wide := testcaddy.WriteSecret(t, "\xff\xfe"+strings.Join(strings.Split(testcaddy.Secret+"\r\n", ""), "\x00")+"\x00")
	directory := t.TempDir()
	missing := filepath.Join(directory, "missing")
	const putIt = "; put the endpoint's signing secret (whsec_…) there: " + whereSecretIs

	for _, test := range []struct{ name, options, want string }{
		{"the default variable is not set", "", `secret "1": the placeholder {env.CLERK_WEBHOOK_SIGNING_SECRET} has no value: the environment variable CLERK_WEBHOOK_SIGNING_SECRET is not set` + putIt},
		{"a variable is not set", "secret {env.CLERK_TEST_UNSET}", `secret "1": the placeholder {env.CLERK_TEST_UNSET} has no value: the environment variable CLERK_TEST_UNSET is not set` + putIt},
		{"a variable is empty", "secret main {env.CLERK_TEST_EMPTY}", `secret "main": the placeholder {env.CLERK_TEST_EMPTY} has no value: the environment variable CLERK_TEST_EMPTY is empty` + putIt},
		{"a variable is white space", "secret {env.CLERK_TEST_BLANK}", `secret "1": the placeholder {env.CLERK_TEST_BLANK} has no value: the environment variable CLERK_TEST_BLANK is empty` + putIt},
		{"a variable is not set behind the prefix", "secret whsec_{env.CLERK_TEST_UNSET}", `secret "1": the placeholder {env.CLERK_TEST_UNSET} has no value: the environment variable CLERK_TEST_UNSET is not set` + putIt},
		{"the second secret's variable is not set", "secret " + testcaddy.Secret + "\nsecret {env.CLERK_TEST_UNSET}", `secret "2": the placeholder {env.CLERK_TEST_UNSET} has no value: the environment variable CLERK_TEST_UNSET is not set` + putIt},
		{"a variable holds quotation marks", "secret {env.CLERK_TEST_QUOTED}", `secret "1": the value of {env.CLERK_TEST_QUOTED}: it contains quotation marks: remove them; ` + whereSecretIs},
		{"a variable holds a part of a secret", "secret {env.CLERK_TEST_SHORT}", `secret "1": the value of {env.CLERK_TEST_SHORT}: it decodes to 7 bytes, but needs at least 24: copy all of it, from whsec_ to the end; ` + whereSecretIs},

		{"a file is missing", "secret {file." + missing + "}", `secret "1": the placeholder {file.` + missing + `} has no value: open ` + missing + `: no such file or directory`},
		{"a file cannot be read", "secret {file." + directory + "}", `secret "1": the placeholder {file.` + directory + `} has no value: read ` + directory + `: is a directory`},
		{"a file is empty", "secret {file." + empty + "}", `secret "1": the placeholder {file.` + empty + `} has no value: the file ` + empty + ` is empty` + putIt},
		{"a file is white space", "secret {file." + blank + "}", `secret "1": the placeholder {file.` + blank + `} has no value: the file ` + blank + ` is empty` + putIt},
		{"a file holds two secrets", "secret {file." + two + "}", `secret "1": the value of {file.` + two + `}: it holds more than one secret: give each its own option, with a variable or file of its own; ` + whereSecretIs},
		{"a variable holds a version in front", "secret {env.CLERK_TEST_VERSION}", `secret "1": the value of {env.CLERK_TEST_VERSION}: it has v1, in front: remove that, so that it begins with whsec_; ` + whereSecretIs},

		{"a file is UTF-16", "secret {file." + wide + "}", `secret "1": the value of {file.` + wide + `}: it contains zero bytes, as a file in UTF-16 does: save it as UTF-8; ` + whereSecretIs},

		{"a placeholder that does not exist", "secret {vault.clerk}", `secret "1": the placeholder {vault.clerk} has no value: use {env.NAME} or {file./path} here`},
		{"a file without a slash", "secret {file.sec}", `secret "1": {file.sec} is read as a part of a request's path: write {file./path/to/sec} or {file../sec}`},
		{"a placeholder of requests", "secret {http.request.header.X-Secret}", `secret "1": the placeholder {http.request.header.X-Secret} has no value: use {env.NAME} or {file./path} here`},
		{"a placeholder that does not end", "secret {env.CLERK_TEST_UNSET", `secret "1": it is not base64 after the prefix: copy all of it, to the end; ` + whereSecretIs},
		{"a secret between braces", "secret {" + testcaddy.Secret + "}", `secret "1": a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}`},
		{"a secret as the path of a file", "secret {file." + testcaddy.Secret + "}", `secret "1": a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}`},
		{"a secret as the name of a variable", "secret {env." + testcaddy.Secret + "}", `secret "1": a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			expectLoadError(t, testcaddy.TryRun(t, guarded(testcaddy.FreeAddress(t), test.options)), test.want)
		})
	}
}

func TestVariableOfTutorialsIsNamed(t *testing.T) {
	unsetenv(t, secretVariable)
	t.Setenv("CLERK_WEBHOOK_SECRET", testcaddy.Secret)
	err := testcaddy.TryRun(t, guarded(testcaddy.FreeAddress(t), ""))
	expectLoadError(t, err, `secret "1": the placeholder {env.CLERK_WEBHOOK_SIGNING_SECRET} has no value: the environment variable CLERK_WEBHOOK_SIGNING_SECRET is not set, but CLERK_WEBHOOK_SECRET is set: rename that one, or write secret {env.CLERK_WEBHOOK_SECRET}`)
}

func TestSecretEncodedTwiceIsAWarning(t *testing.T) {
	twice := base64.StdEncoding.EncodeToString([]byte(testcaddy.OtherSecret))
	testcaddy.Run(t, guarded(testcaddy.FreeAddress(t), "secret twice "+twice+"\nsecret once "+testcaddy.OtherSecret))
	warnings := testcaddy.Log.Entries(t, "this signing secret was probably encoded twice, because it decodes to another secret (whsec_…); the guard refuses every delivery, unless your sender signs with that text: give the secret as the dashboard shows it")
	if len(warnings) != 1 || warnings[0]["level"] != "warn" || warnings[0]["secret"] != "twice" {
		t.Errorf("got the warnings %v", warnings)
	}
}

func unsetenv(t *testing.T, variable string) {
	t.Helper()
	t.Setenv(variable, "") // so that it is restored
	if err := os.Unsetenv(variable); err != nil {
		t.Fatal(err)
	}
}

func TestSecretIsTakenFrom(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	t.Setenv("CLERK_TEST_SECRET", "\t"+testcaddy.Secret+"\n")
	t.Setenv("CLERK_TEST_BARE", strings.TrimPrefix(testcaddy.Secret, "whsec_"))
	for _, test := range []struct{ name, options string }{
		{"the default variable", ""},
		{"the config", "secret " + testcaddy.Secret},
		{"the config, without its prefix", "secret " + strings.TrimPrefix(testcaddy.Secret, "whsec_")},
		{"a variable, white space around it", "secret {env.CLERK_TEST_SECRET}"},
		{"a variable behind the prefix", "secret whsec_{env.CLERK_TEST_BARE}"},
		{"a variable of the Caddyfile", "secret {$CLERK_WEBHOOK_SIGNING_SECRET}"},
		{"a file", "secret {file." + testcaddy.WriteSecret(t, testcaddy.Secret) + "}"},
		{"a file with a line end", "secret {file." + testcaddy.WriteSecret(t, testcaddy.Secret+"\n") + "}"},
		{"a file with a byte order mark", "secret {file." + testcaddy.WriteSecret(t, "\ufeff"+testcaddy.Secret+"\r\n") + "}"},
		{"a file with white space everywhere", "secret {file." + testcaddy.WriteSecret(t, "\r\n\t "+testcaddy.Secret+" \r\n\r\n") + "}"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, guarded(address, test.options))
			checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by 1")
			checkAnswer(t, address, testcaddy.OtherSecret, 403, "")
		})
	}
}

func TestSecretsOfTwoEnvironmentsOnOneURL(t *testing.T) {
	t.Setenv("CLERK_TEST_PRODUCTION", testcaddy.Secret)
	t.Setenv("CLERK_TEST_DEVELOPMENT", testcaddy.OtherSecret)
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, guarded(address, `
		secret production {env.CLERK_TEST_PRODUCTION}
		secret development {env.CLERK_TEST_DEVELOPMENT}
		secret whpk_`+base64.StdEncoding.EncodeToString(public)))
	checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by production")
	checkAnswer(t, address, testcaddy.OtherSecret, 200, "forwarded by development")
	checkAnswer(t, address, "whsec_"+strings.Repeat("QUJD", 8), 403, "")

	r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
	signed := fmt.Sprintf("%s.%s.%s", r.Header.Get("Svix-Id"), r.Header.Get("Svix-Timestamp"), testcaddy.UserCreated)
	r.Header.Set("Svix-Signature", "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(signed))))
	if a := testcaddy.Send(t, testcaddy.NewConnections, r); a.Text != "forwarded by 3" {
		t.Errorf("got %d %q, want 200 and the position of the public key", a.StatusCode, a.Text)
	}
}

func TestRotatedSecretFileIsReadOnReload(t *testing.T) {
	path := testcaddy.WriteSecret(t, testcaddy.Secret+"\n")
	address := testcaddy.FreeAddress(t)
	config := guarded(address, "secret current {file."+path+"}")
	testcaddy.Run(t, config)
	checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by current")

	if err := os.WriteFile(path, []byte(testcaddy.OtherSecret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by current") // until the reload
	testcaddy.Reload(t, config)
	checkAnswer(t, address, testcaddy.OtherSecret, 200, "forwarded by current")
	checkAnswer(t, address, testcaddy.Secret, 403, "")

	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	if err := testcaddy.TryRun(t, config); err == nil {
		t.Error("a reload with an empty secret succeeded")
	}
	checkAnswer(t, address, testcaddy.OtherSecret, 200, "forwarded by current") // the old config goes on
}

func TestEqualSecretsAreAWarning(t *testing.T) {
	t.Setenv("CLERK_TEST_SECRET", testcaddy.Secret)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, guarded(address, "secret current {env.CLERK_TEST_SECRET}\nsecret previous "+testcaddy.Secret+"\nsecret "+testcaddy.OtherSecret))
	warnings := testcaddy.Log.Entries(t, "two secrets have the same key; after you rotate the secret, give the second secret its own key")
	if len(warnings) != 1 || warnings[0]["level"] != "warn" || warnings[0]["secret"] != "current" || warnings[0]["same_as"] != "previous" {
		t.Errorf("got the warnings %v", warnings)
	}
	checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by current")
}

func TestGuessableSecretIsAWarningAtEveryLoad(t *testing.T) {
	const publicKey = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
	own, typed := signature.GenerateSecret(), "whsec_"+strings.Repeat("changeme", 4)
	config := guarded(testcaddy.FreeAddress(t), "secret example "+testcaddy.Secret+"\nsecret own "+own+"\nsecret public "+publicKey+"\nsecret typed "+typed)
	for _, load := range []func(testing.TB, string, ...string){testcaddy.Run, testcaddy.Reload} {
		load(t, config)
		for message, want := range map[string]string{
			"this signing secret is a published example, so anyone can sign deliveries with it; replace it with your endpoint's own secret":      "[warn example warn public]",
			"this signing secret has an obvious pattern, so others may guess it and sign deliveries; replace it with your endpoint's own secret": "[warn typed]",
		} {
			var warned []any
			for _, warning := range testcaddy.Log.Entries(t, message) {
				warned = append(warned, warning["level"], warning["secret"])
			}
			if got := fmt.Sprint(warned); got != want {
				t.Errorf("%s: got the warnings %s, want %s", message, got, want)
			}
		}
	}
}

// TestConfigIsExportedWithoutKeys reads the running configuration through
// Caddy's admin API.
func TestConfigIsExportedWithoutKeys(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	path := testcaddy.WriteSecret(t, testcaddy.OtherSecret)
	address, admin := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	testcaddy.Run(t, guarded(address, "secret {env.CLERK_WEBHOOK_SIGNING_SECRET}\nsecret {file."+path+"}"), "admin "+admin)
	checkAnswer(t, address, testcaddy.OtherSecret, 200, "forwarded by 2")

	res, err := http.Get("http://" + admin + "/config/")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	config, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(config), `"value":"{env.CLERK_WEBHOOK_SIGNING_SECRET}"`) {
		t.Errorf("the exported configuration has no placeholder: %s", config)
	}
	expectNoKey(t, string(config))
	expectNoKey(t, testcaddy.Log.String()) // in which Caddy writes the configuration too
}

// TestRefusedJSONTellsNothingLikeASecret gives what has no form of a signing secret in
// every place of the JSON where it does not belong.
func TestRefusedJSONTellsNothingLikeASecret(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	const inspector, matcher = `{"handler": "clerk_webhook_inspector", `, `{"match": [{"clerk_event": `
	for kind, secret := range misplaced {
		for _, options := range []string{
			`"name": "§"`, `"events": ["user.* §"]`, `"events": "§"`, `"events": {"§": 1}`, `"filtered": "§"`,
			`"tolerance": "§"`, `"tolerance": "5m §"`, `"tolerance": ["§"]`, `"max_body": "§"`, `"body_timeout": "1s §"`, `"report_only": "§"`,
			`"inspect": ["§"]`, `"relay": "§"`, `"relay": {"§": true}`, `"relay": {"copy": "§"}`, `"§": "x"`, `"§": {"tolerance": "whsec_x"}`,
			`"deduplicate": "§"`, `"deduplicate": {"window": "§"}`, `"deduplicate": {"on_failure": "§"}`, `"deduplicate": {"§": true}`,
			`"deduplicate": {"store": "§"}`, `"deduplicate": {"store": {"module": "§"}}`, `"deduplicate": {"store": {"module": "memory", "§": 1}}`,
			`"deduplicate": {"store": {"module": "memory", "url": "§"}}`, `"secret": "§"`, `"secret": ["§"]`, `"secret": [{"§": "x"}]`, `"secret": [{"key": "§"}]`,
			`"secret": [{"name": "§", "value": "x"}]`, `"secret": [{"value": "{env.§}"}]`, `"secret": [{"value": "{file./§}"}]`, `"secret": [{"value": "{§}"}]`,
			`"secret": [{"value": "§?"}]`, `"secret": [{"value": "{env.CLERK_WEBHOOK_SIGNING_SECRET}", "rotation": ["§?"]}]`, `"secret": [{"value": "{env.CLERK_WEBHOOK_SIGNING_SECRET}", "rotation": "§"}]`,
			inspector + `"allow_remote": "§"}`, inspector + `"§": true}`, matcher + `["§!"]}]}`, matcher + `"§"}]}`, matcher + `[{"§": 1}]}]}`,
		} {
			if strings.Contains(options, "name") && !signature.HoldsSecret(secret) && !signature.HoldsPassword(secret) && kind != "without a prefix" {
				continue // a name can look like that
			}
			t.Run(kind+"/"+options, func(t *testing.T) {
				route := `{"handle": [{"handler": "clerk_webhook", ` + options + `}]}`
				switch {
				case strings.HasPrefix(options, inspector):
					route = `{"handle": [` + options + `]}`
				case strings.HasPrefix(options, matcher):
					route = options
				}
				err := testcaddy.TryRunJSON(t, loggedConfig(t, "["+strings.ReplaceAll(route, "§", secret)+"]"))
				if err == nil {
					t.Cleanup(func() { _ = caddy.Stop() })
					t.Fatal("the configuration was taken")
				}
				expectNoKey(t, err.Error())
				expectNoKey(t, testcaddy.Log.String())
			})
		}
	}
}

// expectNoKey looks for the keys of the secrets of the tests.
func expectNoKey(t testing.TB, text string) {
	t.Helper()
	for _, secret := range []string{testcaddy.Secret, testcaddy.OtherSecret, misplaced["listen token"], misplaced["for URLs"], misplaced["in hex"], "pa55word"} {
		if key := strings.TrimRight(strings.TrimPrefix(secret, "whsec_"), "="); strings.Contains(text, key) {
			t.Errorf("%s holds a secret", text)
		}
	}
}

// misplaced are secrets of every kind that this plugin, its stores and Clerk have.
var misplaced = map[string]string{
	"signing secret":     testcaddy.Secret,
	"private key":        "whsk_" + strings.TrimPrefix(testcaddy.Secret, "whsec_"),
	"key of the API":     "sk_live_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"key of another API": "https://api.example.com/sk_test_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
	"listen token":       "c_mfkq7r6gkyqrtwjupd5ilpzio2lalasw",
	"without a prefix":   strings.TrimPrefix(testcaddy.Secret, "whsec_"),
	"beside a word":      "5m-" + strings.TrimPrefix(testcaddy.Secret, "whsec_"),
	"with a name":        "SIGNING=" + strings.TrimPrefix(testcaddy.Secret, "whsec_"),
	"in a version":       "v1,whsec_" + strings.TrimPrefix(testcaddy.Secret, "whsec_"),
	"for URLs":           "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa_-",
	"in hex":             "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822c",
	"URL of a database":  "postgres://caddy:pa55word@db/caddy",
	"without a user":     "redis://:12/pa55word@db",
	"keywords":           "password=pa55word",
}

// TestRefusedConfigTellsNoSecret gives a secret in every place where it does
// not belong.
func TestRefusedConfigTellsNoSecret(t *testing.T) {
	t.Setenv("CLERK_TEST_SECRET", testcaddy.Secret)
	for kind, secret := range misplaced {
		for _, options := range []string{
			"name SECRET", "events SECRET", "filtered SECRET", "tolerance SECRET", "max_body SECRET", "body_timeout SECRET",
			"report_only SECRET", "inspect SECRET", "relay SECRET", "relay copy SECRET", "SECRET", "SECRET {\n}",
			"deduplicate SECRET", "deduplicate 1SECRET", "deduplicate 48h SECRET", "deduplicate storage {\nSECRET a\n}", "deduplicate {\non_failure SECRET\n}",
			"secret SECRET a", "secret a b SECRET", "secret a SECRET b", "secret SECRET?", "secret SECRET {env.CLERK_TEST_SECRET}?",
			"secret {SECRET}", "secret {env.SECRET}", "secret {file.SECRET}", "secret {file./SECRET}", "secret {env.CLERK_TEST_SECRET}{env.CLERK_TEST_SECRET}?",
			"secret a {env.CLERK_TEST_SECRET}\nsecret a {env.CLERK_TEST_SECRET}",
		} {
			if strings.Contains(options, "name") && !signature.HoldsSecret(secret) && !signature.HoldsPassword(secret) && kind != "without a prefix" {
				continue // a name can look like that
			}
			t.Run(kind+"/"+options, func(t *testing.T) {
				err := testcaddy.TryRun(t, guarded(testcaddy.FreeAddress(t), strings.ReplaceAll(options, "SECRET", secret)))
				if err == nil {
					t.Cleanup(func() { _ = caddy.Stop() })
					t.Fatal("the configuration was taken")
				}
				expectNoKey(t, err.Error())
				for line := range strings.Lines(testcaddy.Log.String()) {
					if !strings.Contains(line, "adjusted config") { // Caddy writes the configuration as it is, at debug level
						expectNoKey(t, line)
					}
				}
			})
		}
	}
}

// TestSecretsInRotation checks that each value on a line verifies, and that names tell
// which one did.
func TestSecretsInRotation(t *testing.T) {
	t.Setenv("CLERK_TEST_NEW", testcaddy.Secret)
	const third = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="
	for _, test := range []struct{ name, options, first, second string }{
		{"with a name", "secret production {env.CLERK_TEST_NEW} " + testcaddy.OtherSecret, "production", "production/2"},
		{"without a name", "secret " + third + "\nsecret {env.CLERK_TEST_NEW} " + testcaddy.OtherSecret, "2", "2/2"},
		{"without a prefix", "secret " + strings.TrimPrefix(testcaddy.Secret, "whsec_") + " " + strings.TrimPrefix(testcaddy.OtherSecret, "whsec_"), "1", "1/2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, endpoint := testcaddy.FreeAddress(t), testcaddy.NewEndpoint()
			testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nname "+endpoint+"\n"+test.options+"\n}\nrespond \"{http.clerk_webhook.secret}\""))
			checkAnswer(t, address, testcaddy.Secret, 200, test.first)
			checkAnswer(t, address, testcaddy.OtherSecret, 200, test.second)
			checkAnswer(t, address, testcaddy.OtherSecret, 200, test.second)
			samples := testcaddy.Scrape(t, address)
			for secret, want := range map[string]float64{test.first: 1, test.second: 2} {
				if got := samples[testcaddy.SecretLabels(testcaddy.VerifiedTotal, endpoint, secret)]; got != want {
					t.Errorf("%s verified %v deliveries, want %v", secret, got, want)
				}
				if got := samples[testcaddy.SecretLabels(testcaddy.SecretLastUsed, endpoint, secret)]; got == 0 {
					t.Errorf("%s was never used", secret)
				}
			}
		})
	}
}

// TestRefusedJSONTellsNoSecret gives the secret in every place of the JSON where it does
// not belong, also where it is only part of a text.
func TestRefusedJSONTellsNoSecret(t *testing.T) {
	t.Setenv(secretVariable, testcaddy.Secret)
	const guard, inspector, strict = `{"handler": "clerk_webhook", %s}`, `{"handler": "clerk_webhook_inspector", %s}`, `{"handler": "clerk_webhook_strict", %s}`
	for _, test := range []struct{ handler, options, option string }{
		{guard, `"name": "SECRET"`, "name"},
		{guard, `"name": "whsec\u005fKEY"`, "name"},
		{guard, `"events": ["user.*", "SECRET"]`, "events[]"},
		{guard, `"events": "SECRET"`, "events"},
		{guard, `"filtered": "SECRET"`, "filtered"},
		{guard, `"tolerance": "SECRET"`, "tolerance"},
		{guard, `"max_body": "SECRET"`, "max_body"},
		{guard, `"body_timeout": "1s SECRET"`, "body_timeout"},
		{guard, `"report_only": "SECRET"`, "report_only"},
		{guard, `"inspect": ["SECRET"]`, "inspect[]"},
		{guard, `"deduplicate": "SECRET"`, "deduplicate"},
		{guard, `"deduplicate": {"window": "SECRET"}`, "deduplicate.window"},
		{guard, `"deduplicate": {"store": "SECRET"}`, "deduplicate.store"},
		{guard, `"deduplicate": {"store": {"a": [{"b": "SECRET"}]}}`, "deduplicate.store.a[].b"},
		{guard, `"deduplicate": {"SECRET": true}`, "the name of an option"},
		{guard, `"SECRET": "x"`, "the name of an option"},
		{guard, `"secrets": ["SECRET"]`, "secrets[]"},
		{guard, `"secret": "SECRET"`, "secret"},
		{guard, `"secret": ["SECRET"]`, "secret[]"},
		{guard, `"secret": [{"name": "SECRET", "value": "x"}]`, "secret[].name"},
		{guard, `"secret": [{"SECRET": "x"}]`, "the name of an option"},
		{guard, `"secret": [{"key": "SECRET"}]`, "secret[].key"},
		{guard, `"secret": [{"value": "SECRET?"}]`, `secret \"1\"`},
		{guard, `"secret": [{"value": ["SECRET"]}]`, "secret[].value[]"},
		{guard, `"secret": [{"value": "{env.CLERK_WEBHOOK_SIGNING_SECRET}", "rotation": ["SECRET?"]}]`, `secret \"1/2\"`},
		{guard, `"secret": [{"value": "{env.CLERK_WEBHOOK_SIGNING_SECRET}", "rotation": "SECRET"}]`, "secret[].rotation"},
		{guard, `"tolerance": "KEY"`, "tolerance"}, // without its prefix
		{guard, `"deduplicate": {"window": "KEY"}`, "deduplicate.window"},
		{inspector, `"allow_remote": "SECRET"`, "allow_remote"},
		{inspector, `"SECRET": true`, "the name of an option"},
		{inspector, `"secret": "SECRET"`, "secret"},
		{strict, `"SECRET": true`, "the name of an option"},
		{strict, `"paths": "SECRET"`, "paths"},
		{strict, `"paths": ["/x", "SECRET"]`, "paths[]"},
		{`{"handler": "clerk_webhook"}`, `"clerk_event": ["SECRET"]`, "clerk_event"},
		{`{"handler": "clerk_webhook"}`, `"clerk_event": "SECRET"`, ""},
		{`{"handler": "clerk_webhook"}`, `"clerk_event": [{"SECRET": 1}]`, ""},
		{`{"handler": "clerk_webhook"}`, `"expression": "clerk_event('SECRET')"`, "clerk_event"},
	} {
		t.Run(test.options, func(t *testing.T) {
			key := strings.TrimPrefix(testcaddy.OtherSecret, "whsec_")
			options := strings.NewReplacer("SECRET?", testcaddy.OtherSecret+"?", `"SECRET`, `"`+testcaddy.OtherSecret, "'SECRET", "'"+testcaddy.OtherSecret, " SECRET", " "+testcaddy.OtherSecret, "KEY", key).Replace(test.options)
			route := `{"handle": [` + strings.ReplaceAll(test.handler, "%s", options) + `]}`
			if !strings.Contains(test.handler, "%s") {
				route = `{"match": [{` + options + `}], "handle": [` + test.handler + `]}`
			}
			err := testcaddy.TryRunJSON(t, loggedConfig(t, "["+route+"]"))
			if err == nil {
				t.Cleanup(func() { _ = caddy.Stop() })
				t.Fatal("the configuration was taken")
			}
			expectNoKey(t, err.Error())
			expectNoKey(t, testcaddy.Log.String())
			if quoted := strconv.Quote(err.Error()); !strings.Contains(quoted, test.option) {
				t.Errorf("the error does not name %s: %s", test.option, quoted)
			}
		})
	}
}

// TestEventThatMayBeASecretIsNotLogged has an event pattern that is a secret without its
// prefix, or another sender's type that only looks like one.
func TestEventThatMayBeASecretIsNotLogged(t *testing.T) {
	key := strings.TrimPrefix(testcaddy.Secret, "whsec_")
	testcaddy.Run(t, guarded(testcaddy.FreeAddress(t), "secret "+testcaddy.OtherSecret+"\nevents "+key))
	const want = "events: no event that Clerk is known to send matches what may be a signing secret"
	if warnings := testcaddy.Log.Entries(t, want); len(warnings) != 1 {
		t.Errorf("got the warnings %v", warnings)
	}
}

// loggedConfig is routesConfig with its log in testcaddy.Log.
func loggedConfig(t testing.TB, routes string) []byte {
	t.Helper()
	const logging = `{"logging": {"logs": {"default": {"writer": {"output": "clerk_webhook_test"}, "level": "INFO"}}}, `
	return append([]byte(logging), bytes.TrimPrefix(routesConfig(t, routes), []byte("{"))...)
}
