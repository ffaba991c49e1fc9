package signature

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

const bareKey = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// placesInText are where a secret may stand in a text.
var placesInText = []string{
	"SECRET", "5m SECRET", "-SECRET", "SECRET-5m", "{env.SECRET}", "{file./run/secrets/SECRET}", "{SECRET}", "'SECRET'", "\"SECRET\"", "`SECRET`",
	"a,SECRET,b", "[SECRET]", "CLERK_SECRET=SECRET", "name=SECRET", "http://example.com/?key=SECRET&a=b", "https://example.com/SECRET", "Authorization: Bearer SECRET",
	"user.SECRET", "SECRET.created", "open /etc/SECRET: no such file or directory", "json: unknown field \"SECRET\"", "v1,SECRET", "the word\tSECRET\n",
}

func TestRedact(t *testing.T) {
	raw := []byte("\xfb\xef\xff0123\xfb\xef\xffabcdefghijkl\x80\x90\xa0\xb0")
	for name, secret := range map[string]string{
		"signing secret":         "whsec_" + bareKey,
		"public key":             "whpk_" + bareKey,
		"private key":            "whsk_" + bareKey,
		"key of Clerk's API":     "sk_live_" + bareKey,
		"test key of the API":    "sk_test_" + bareKey,
		"listen token":           "c_mfkq7r6gkyqrtwjupd5ilpzio2lalasw",
		"without a prefix":       bareKey,
		"with padding":           "XhYtQ2y5a8KcE0mPz3v+R7uLw1s9fTgB6nJd/HxVqZk=",
		"for URLs":               base64.URLEncoding.EncodeToString(raw),
		"percent-encoded":        strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(base64.StdEncoding.EncodeToString(raw)),
		"in hex":                 hex.EncodeToString([]byte(bareKey[:24])),
		"in hex, in capitals":    strings.ToUpper(hex.EncodeToString([]byte(bareKey))),
		"base64 of a secret":     base64.StdEncoding.EncodeToString([]byte("whsec_" + bareKey)),
		"in front of a name":     bareKey + "/production",
		"behind a name":          "clerk-webhook-secret-" + bareKey,
		"URL of a database":      "postgres://caddy:pa55word@db:5432/caddy",
		"without a user":         "redis://:pa55word@db",
		"password with a slash":  "postgres://caddy:12/pa55word@db/caddy?sslmode=disable",
		"password with an @":     "rediss://caddy:12@pa55word@db/0",
		"password with a quote":  "mysql://caddy:12'pa55word@db/0",
		"two addresses":          "postgres://caddy:pa55word@a:1,b:2/caddy",
		"URL of a site":          "https://caddy:pa55word@example.com/",
		"keywords of a database": "host=db password=pa55word user=caddy",
		"a quoted keyword":       "host=db password='pa 55word pa55word' user=caddy",
		"an escaped quote":       `host=db password = 'a\' pa55word' user=caddy`,
		"a parameter of a URL":   "postgres://db/caddy?user=caddy&password=pa55word",
	} {
		t.Run(name, func(t *testing.T) {
			for _, place := range placesInText {
				text := strings.ReplaceAll(place, "SECRET", secret)
				got := Redact(text)
				if got == text || strings.Contains(got, "pa55word") || strings.Contains(got, bareKey[12:]) || strings.Contains(got, secret) {
					t.Errorf("%q became %q", text, got)
				}
				if !MayHoldSecret(text) {
					t.Errorf("%q is not noticed", text)
				}
				if again := Redact(got); again != got {
					t.Errorf("%q became %q, and then %q", text, got, again)
				}
			}
		})
	}
}

func TestRedactLeavesEverythingElse(t *testing.T) {
	for _, text := range []string{
		"", "5m", "user.created", "organizationInvitation.accepted", "organization_invitation_accepted_email_address",
		"CLERK_WEBHOOK_SIGNING_SECRET_OF_PRODUCTION", "{env.CLERK_WEBHOOK_SIGNING_SECRET_2026_OF_PRODUCTION}", "{$CLERK_WEBHOOK_SIGNING_SECRET_OF_PRODUCTION}",
		"/etc/caddy/secrets/clerk-webhook-signing-secret", "open /run/secrets/k8s/prod/clerk_webhook_signing_secret2: no such file or directory",
		"/Users/JohnDoe/Projects/MyApp/Config/SecretFile", "/tmp/TestWhereSecretsComeFrom3812937264/001/secret", `C:\Users\JohnDoe\Projects\Config`,
		"https://api.example.com/webhooks/clerk/production/events?verify=true", "http://localhost:3000/api/webhooks", "mail to somebody@example.com",
		"http://clerk-webhook-receiver.production.svc.cluster.local:8080/api", "ec2-203-0-113-25.compute-1.amazonaws.com", "postgres://db:5432/caddy", "postgres://caddy@db/caddy",
		"0192f1a4-7c1e-7b7a-9f0e-2d6c0a1b3c4d", "0192F1A4-7C1E-7B7A-9F0E-2D6C0A1B3C4D", "d41d8cd98f00b204e9800998ecf8427e", "da39a3ee5e6b4b0d3255bfef95601890afd80709",
		"user_29w83sxmDNGwOuEthce5gg5FcCC", "msg_2c5PqR8GKYqrTwjUPD8ILPZIo2L", "https://dashboard.clerk.com/apps/app_29w83sxmDNGwOuEthce5gg5FcCC/instances/ins_29w83sxmDNGwOuEthce5gg5FcCC",
		"github.com/caddyclerk/caddy-clerk-webhook/stores/postgres@v0.0.0", "-----------------------------------------", "01234567890123456789012345678901234567890",
		"the options are body_timeout, deduplicate, events, filtered", "TestHandlersAreBoundedByTheLease", "WithoutInspectNothingIsAllocatedForIt", "TestEdgesOfTheTolerance/at_the_old_edge_01", "oauth2callback-and-base64encoded-things",
	} {
		if got := Redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
		if MayHoldSecret(text) {
			t.Errorf("%q is taken for a secret", text)
		}
	}
}

// A random key hardly ever reads as words.
func TestRedactFindsRandomKeys(t *testing.T) {
	const keys = 2_000
	missed := 0
	random := make([]byte, 64)
	for range keys {
		for _, length := range []int{24, 32, 64} {
			_, _ = rand.Read(random[:length])
			for _, text := range []string{
				base64.StdEncoding.EncodeToString(random[:length]), base64.RawURLEncoding.EncodeToString(random[:length]), hex.EncodeToString(random[:length]),
			} {
				if !MayHoldSecret("5m " + text) {
					missed++
				}
			}
		}
	}
	if missed > 9*keys/1000 {
		t.Errorf("%d of %d keys were not found", missed, 9*keys)
	}
}

func TestRedactError(t *testing.T) {
	plain := errors.New("5 is too short")
	if got := RedactError(plain); !errors.Is(got, plain) {
		t.Errorf("an error without a secret became %v", got)
	}
	if got := RedactError(errors.New(bareKey + " is too short")); got.Error() != "… is too short" {
		t.Errorf("got %v", got)
	}
	if got := RedactError(nil); got != nil {
		t.Errorf("got %v", got)
	}
}
