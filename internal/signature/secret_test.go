package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	errEmpty      = "it is empty"
	errQuoted     = "it contains quotation marks: remove them"
	errPrivate    = "it is the sender's private key (whsk_…): use the public key (whpk_…) instead, and keep the private one away from receivers"
	errWhiteSpace = "it contains white space: remove it"
	errUTF16      = "it contains zero bytes, as a file in UTF-16 does: save it as UTF-8"
	errNotBase64  = "it is not base64 after the prefix: copy all of it, to the end"
	errAPIKey     = "it is one of Clerk's API keys (sk_… or pk_…): a signing secret begins with whsec_"
	errExample    = "it is an example from the documentation: use your endpoint's own secret instead"
	errAssignment = "it has a name in front: give only the part after the equals sign"
	errVariable   = "it looks like the name of an environment variable: in a configuration write {env.NAME}"
	errBraces     = "it looks like a placeholder without its braces: write {env.NAME} or {file./path}"
	errSeveral    = "it holds more than one secret: give each its own option, with a variable or file of its own"
	errURL        = "it is base64 for URLs: replace each - by + and each _ by /"
	errVersion    = "it has v1, in front: remove that, so that it begins with whsec_"
	errRepeated   = "it is one byte or one character over and over, as in a template, so anyone can guess it: copy your endpoint's own secret"
	errNoPoint    = "it is not an Ed25519 public key, so no signature can match it: copy the sender's own key (whpk_…)"
	errFile       = "it looks like the name of a file: in a configuration write {file./path}"
)

func errShort(n int) string {
	return fmt.Sprintf("it decodes to %d bytes, but needs at least 24: copy all of it, from whsec_ to the end", n)
}

func errPublicKey(n int) string {
	return fmt.Sprintf("it decodes to %d bytes, but an Ed25519 public key (whpk_…) has exactly 32: copy all of it", n)
}

// secretOfLength encodes a key of n bytes, with padding.
func secretOfLength(prefix string, n int) string {
	return prefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb, 'k', 0xff}, n/3+1)[:n])
}

func TestParseSecret(t *testing.T) {
	key24, key25, key32 := secretOfLength("", 24), secretOfLength("", 25), secretOfLength("", 32)
	tests := []struct {
		name, secret string
		err          string // "" if it is taken
		symmetric    bool
	}{
		{"24 bytes", "whsec_" + key24, "", true},
		{"25 bytes, two characters of padding", "whsec_" + key25, "", true},
		{"25 bytes without padding", "whsec_" + strings.TrimRight(key25, "="), "", true},
		{"32 bytes, one character of padding", "whsec_" + key32, "", true},
		{"32 bytes without padding", "whsec_" + strings.TrimRight(key32, "="), "", true},
		{"64 bytes", secretOfLength("whsec_", 64), "", true},
		{"without prefix", key32, "", true},
		{"white space around it", " \t\r\n whsec_" + key32 + "\r\n", "", true},
		{"no-break spaces around it, as web pages have them", "\u00a0whsec_" + key32 + "\u00a0", "", true},
		{"a byte order mark in front, as editors on Windows write it", "\ufeffwhsec_" + key32 + "\r\n", "", true},
		{"public key", "whpk_" + key32, "", false},
		{"public key without padding", "whpk_" + strings.TrimRight(key32, "="), "", false},
		{"public key with white space around it", "\nwhpk_" + key32 + " ", "", false},

		{"empty", "", errEmpty, false},
		{"only white space", " \t\r\n\u00a0", errEmpty, false},
		{"only the prefix", "whsec_", errShort(0), false},
		{"only the prefix and white space", "whsec_ ", errShort(0), false},
		{"only the prefix of a public key", "whpk_", errPublicKey(0), false},
		{"1 byte", secretOfLength("whsec_", 1), errShort(1), false},
		{"a key of zeros", "whsec_" + strings.Repeat("A", 32), errRepeated, false},
		{"a key of zeros with padding", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 32)), errRepeated, false},
		{"a key of one letter", "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 25)), errRepeated, false},
		{"a key of 0xff without prefix", strings.Repeat("/", 32), errRepeated, false},
		{"a placeholder of one letter", "whsec_" + strings.Repeat("x", 32), errRepeated, false},
		{"a key of two bytes in turn", "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("kl"), 12)), "", true},
		{"a public key that is no point of the curve", "whpk_AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", errNoPoint, false},
		{"23 bytes", secretOfLength("whsec_", 23), errShort(23), false},
		{"23 bytes without prefix", secretOfLength("", 23), errShort(23), false},
		{"public key of 31 bytes", secretOfLength("whpk_", 31), errPublicKey(31), false},
		{"public key of 33 bytes", secretOfLength("whpk_", 33), errPublicKey(33), false},
		{"public key of 64 bytes", secretOfLength("whpk_", 64), errPublicKey(64), false},

		{"in double quotes", `"whsec_` + key32 + `"`, errQuoted, false},
		{"in single quotes", `'whsec_` + key32 + `'`, errQuoted, false},
		{"in backquotes", "`whsec_" + key32 + "`", errQuoted, false},
		{"a quote at its end", "whsec_" + key32 + `"`, errQuoted, false},
		{"only quotes", `""`, errQuoted, false},
		{"private key", secretOfLength("whsk_", 64), errPrivate, false},
		{"private key with white space around it", " " + secretOfLength("whsk_", 64) + "\n", errPrivate, false},
		{"only the prefix of a private key", "whsk_", errPrivate, false},

		{"a space after the prefix", "whsec_ " + key32, errWhiteSpace, false},
		{"a space inside", "whsec_" + key32[:20] + " " + key32[20:], errWhiteSpace, false},
		{"a tab inside", "whsec_" + key32[:20] + "\t" + key32[20:], errWhiteSpace, false},
		{"a line break inside", "whsec_" + key32[:20] + "\n" + key32[20:], errWhiteSpace, false},
		{"a carriage return inside", "whsec_" + key32[:20] + "\r" + key32[20:], errWhiteSpace, false},
		{"a line break inside a public key", "whpk_" + key32[:20] + "\n" + key32[20:], errWhiteSpace, false},
		{"two secrets", "whsec_" + key32 + " whsec_" + key32, errSeveral, false},
		{"two secrets and a comma", "whsec_" + key32 + ",whsec_" + key32, errSeveral, false},
		{"two secrets on two lines, one of them public", "whsec_" + key32 + "\nwhpk_" + key32, errSeveral, false},
		{"a version in front", "v1,whsec_" + key32, errVersion, false},
		{"a public key in the alphabet of URLs", "whpk_" + strings.NewReplacer("+", "-", "/", "_").Replace(key32), errURL, false},
		{"the prefix twice before a short key", "whsec_whsec_" + key24, errNotBase64, false},

		{"cut off so that no byte can end there", "whsec_" + key32[:41], errNotBase64, false},
		{"a character that base64 does not have", "whsec_" + key32[:20] + "!" + key32[21:], errNotBase64, false},
		{"the alphabet of URLs", "whsec_" + strings.NewReplacer("+", "-", "/", "_").Replace(key32), errURL, false},
		{"too much padding", "whsec_" + key32 + "=", errNotBase64, false},
		{"padding where none belongs", "whsec_" + key24 + "=", errNotBase64, false},
		{"padding cut off by half", "whsec_" + strings.TrimSuffix(key25, "="), errNotBase64, false},
		{"only padding", "whsec_====", errNotBase64, false},
		{"padding inside", "whsec_" + key32[:20] + "==" + key32[20:], errNotBase64, false},
		{"the prefix twice", "whsec_whsec_" + key32, errNotBase64, false},
		{"the prefix in capitals", "WHSEC_" + key32, errNotBase64, false},
		{"both prefixes", "whsec_whpk_" + key32, errNotBase64, false},
		{"a letter outside ASCII", "whsec_" + key32[:20] + "é" + key32[20:], errNotBase64, false},
		{"a byte order mark inside", "whsec_\ufeff" + key32, errNotBase64, false},
		{"only a byte order mark", "\ufeff\n", errEmpty, false},
		{"NUL at its end", "whsec_" + key32 + "\x00", errUTF16, false},
		{"UTF-16", "\xff\xfe" + strings.Join(strings.Split("whsec_"+key32, ""), "\x00") + "\x00\r\x00\n\x00", errUTF16, false},
		{"UTF-16 with the larger byte first", "\xfe\xff\x00" + strings.Join(strings.Split("whsec_"+key32, ""), "\x00"), errUTF16, false},
		{"a placeholder that was not replaced", "{env.SECRET}", errNotBase64, false},
		{"a secret key of Clerk's API", "sk_test_" + key32, errAPIKey, false},
		{"a publishable key of Clerk's API", "pk_live_" + key32, errAPIKey, false},
		{"what documentation has", "whsec_…", errExample, false},
		{"what documentation has, with three dots", "whsec_...", errExample, false},
		{"a line of a file of variables", "CLERK_WEBHOOK_SIGNING_SECRET=whsec_" + key32, errAssignment, false},
		{"the name of a variable", "CLERK_WEBHOOK_SIGNING_SECRET", errVariable, false},
		{"the name of a variable, as in a shell", "$SECRET", errVariable, false},
		{"a placeholder without braces", "env.CLERK_WEBHOOK_SIGNING_SECRET", errBraces, false},
		{"the name of a file", "/run/secrets/clerk", errFile, false},
		{"the name of a file beside", "./secret", errFile, false},
		{"a secret that begins like the name of a file", "/" + key32[1:], "", true},
		{"a secret that begins like a key", "sk/" + key32[3:], "", true},
		{"a public key that is not base64", "whpk_" + key32[:42] + "!", errNotBase64, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			secret, err := ParseSecret(tt.secret)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				if secret != nil {
					t.Error("a secret beside an error")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if secret.Symmetric() != tt.symmetric {
				t.Errorf("Symmetric() = %v, want %v", secret.Symmetric(), tt.symmetric)
			}
		})
	}
}

func TestIsText(t *testing.T) {
	text := "whsec_" + secretOfLength("", 32)
	if !mustParseSecret(t, base64.StdEncoding.EncodeToString([]byte(text))).IsText() {
		t.Error("the base64 of a whole secret is not noticed")
	}
	for _, secret := range []string{text, secretOfLength("whpk_", 32)} {
		if mustParseSecret(t, secret).IsText() {
			t.Errorf("%q is taken for the base64 of a whole secret", secret)
		}
	}
}

func TestSecretIsTheKeyThatWasEncoded(t *testing.T) {
	for n := 24; n <= 70; n++ {
		padded := secretOfLength("whsec_", n)
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(padded, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []string{padded, strings.TrimRight(padded, "="), strings.TrimPrefix(padded, "whsec_"), " " + padded + "\n"} {
			if secret := mustParseSecret(t, s); !bytes.Equal(secret.hmacKey, key) {
				t.Errorf("key of %d bytes, written %q: another key", n, s)
			}
		}
	}
}

// A secret is mistyped or cut off anywhere: no four characters of it may come
// back in the error.
func TestParseSecretErrorsTellNothing(t *testing.T) {
	for _, genuine := range []string{
		"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=",
		"whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==",
	} {
		refused := 0
		for i := range genuine {
			for _, s := range []string{genuine[:i], genuine[:i] + "!" + genuine[i:], genuine[:i] + " " + genuine[i:], genuine[:i] + `"` + genuine[i:], genuine[i:] + "\x00"} {
				_, err := ParseSecret(s)
				if err == nil {
					continue
				}
				refused++
				_, encoded, _ := strings.Cut(genuine, "_")
				for j := range len(encoded) - 3 {
					if strings.Contains(err.Error(), encoded[j:j+4]) {
						t.Fatalf("the error of %q contains %q: %v", s, encoded[j:j+4], err)
					}
				}
			}
		}
		if refused < 3*len(genuine) {
			t.Errorf("only %d spellings of %s were refused", refused, genuine)
		}
	}
}

func TestSecretIsNotPrinted(t *testing.T) {
	for _, s := range []string{secretOfLength("whsec_", 32), secretOfLength("whpk_", 32)} {
		secret := mustParseSecret(t, s)
		holder := struct {
			Exported   *Key
			List       []*Key
			unexported *Key
		}{secret, []*Key{secret}, secret}
		for _, verb := range []string{"v", "+v", "#v", "s", "q", "d", "x", "X", "#x", "o", "b", "c", "U", "t", "e"} {
			if got := fmt.Sprintf("%"+verb, secret); got != "[signing secret]" {
				t.Errorf("%%%s prints %q", verb, got)
			}
			for _, v := range []any{holder, &holder, []*Key{secret}, map[string]*Key{"a": secret}, fmt.Errorf("%w: %"+verb, errWrapped, secret)} {
				checkNotPrinted(t, fmt.Sprintf("%"+verb, v), secret)
			}
		}
		if got := secret.String(); got != "[signing secret]" {
			t.Errorf("String() = %q", got)
		}
	}
}

var errWrapped = errors.New("wrapped")

// checkNotPrinted looks for the key in all the forms in which package fmt
// prints bytes.
func checkNotPrinted(t *testing.T, printed string, secret *Key) {
	t.Helper()
	key := slices.Concat(secret.hmacKey, secret.publicKey)[:4]
	decimal := strings.Trim(fmt.Sprintf("%d", key), "[]")
	for _, form := range []string{
		string(key), decimal, hex.EncodeToString(key), fmt.Sprintf("%X", key), base64.RawStdEncoding.EncodeToString(key[:3]),
		strings.Trim(fmt.Sprintf("%#v", key), "[]byte{}"), strings.Trim(fmt.Sprintf("%x", []int{int(key[0]), int(key[1])}), "[]"),
	} {
		if strings.Contains(printed, form) {
			t.Errorf("%q contains the key as %q", printed, form)
		}
	}
}

func TestFingerprint(t *testing.T) {
	key32 := secretOfLength("", 32)
	symmetric := mustParseSecret(t, "whsec_"+key32)
	for _, same := range []string{key32, " whsec_" + key32 + "\n", "whsec_" + strings.TrimRight(key32, "=")} {
		if mustParseSecret(t, same).Fingerprint() != symmetric.Fingerprint() {
			t.Errorf("%q has another fingerprint than the same key written otherwise", same)
		}
	}
	public := mustParseSecret(t, "whpk_"+key32)
	if public.Fingerprint() != mustParseSecret(t, "whpk_"+strings.TrimRight(key32, "=")).Fingerprint() {
		t.Error("a public key without padding has another fingerprint")
	}

	different := map[string][sha256.Size]byte{
		"HMAC key":                       symmetric.Fingerprint(),
		"public key of the same bytes":   public.Fingerprint(),
		"longer HMAC key":                mustParseSecret(t, secretOfLength("whsec_", 33)).Fingerprint(),
		"other HMAC key":                 hmacSecret(t, "fingerprint").Fingerprint(),
		"the key's hash, without a salt": sha256.Sum256(symmetric.hmacKey),
	}
	seen := make(map[[sha256.Size]byte]string)
	for name, fingerprint := range different {
		if other, taken := seen[fingerprint]; taken {
			t.Errorf("%s and %s have the same fingerprint", name, other)
		}
		seen[fingerprint] = name
	}
}

func TestGenerateSecret(t *testing.T) {
	first, second := GenerateSecret(), GenerateSecret()
	if first == second {
		t.Error("two generated secrets are the same")
	}
	if !regexp.MustCompile(`^whsec_[A-Za-z0-9+/]{43}=$`).MatchString(first) {
		t.Errorf("%q is not whsec_ and 32 bytes of base64", first)
	}
	secret := mustParseSecret(t, first)
	if err := secret.SelfTest(); err != nil {
		t.Error(err)
	}
	webhook, err := svix.NewWebhook(first)
	if err != nil {
		t.Fatalf("Svix's library refuses it: %v", err)
	}
	signatures, err := secret.Sign(testID, testTime, testBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := webhook.VerifyIgnoringTimestamp(testBody, headerOf(SvixHeaders, testID, testTimestamp, signatures)); err != nil {
		t.Errorf("Svix's library with it: %v", err)
	}
}

// secretErrors is everything that ParseSecret may say.
var secretErrors = regexp.MustCompile(`^(` + strings.Join([]string{
	regexp.QuoteMeta(errEmpty), regexp.QuoteMeta(errQuoted), regexp.QuoteMeta(errPrivate), regexp.QuoteMeta(errWhiteSpace), regexp.QuoteMeta(errUTF16), regexp.QuoteMeta(errNotBase64),
	regexp.QuoteMeta(errAPIKey), regexp.QuoteMeta(errExample), regexp.QuoteMeta(errAssignment), regexp.QuoteMeta(errVariable), regexp.QuoteMeta(errBraces), regexp.QuoteMeta(errFile), regexp.QuoteMeta(errRepeated), regexp.QuoteMeta(errNoPoint), regexp.QuoteMeta(errSeveral), regexp.QuoteMeta(errURL), regexp.QuoteMeta(errVersion),
	`it decodes to ([0-9]|1[0-9]|2[0-3]) bytes, but needs at least 24: copy all of it, from whsec_ to the end`,
	`it is a weak public key, for which anyone can sign: copy the sender's own key`,
	`it decodes to [0-9]+ bytes, but an Ed25519 public key \(whpk_…\) has exactly 32: copy all of it`,
}, "|") + `)$`)

// decodeAsSvix returns the HMAC key that Svix's library takes s for.
func decodeAsSvix(s string) ([]byte, bool) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
	return key, err == nil
}

func FuzzParseSecret(f *testing.F) {
	for _, seed := range []string{
		"", " ", "whsec_", "whpk_", "whsk_", "====", "whsec_====", testSecret, testSecret + "=", testSecret[:30], "\n" + testSecret + "\t",
		secretOfLength("whsec_", 25), strings.TrimRight(secretOfLength("", 25), "="), secretOfLength("whpk_", 32), secretOfLength("whpk_", 33),
		`"` + testSecret + `"`, testSecret[:10] + "\n" + testSecret[10:], "\ufeff" + testSecret, "\xff\xfew\x00h\x00", "whsec_" + testSecret, "WHSEC_x", "{env.X}", "é\xff\x00",
		strings.Repeat("A", 32), strings.Repeat("x", 32), "whpk_AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"sk_test_x", "whsec_…", "NAME=" + testSecret, "$NAME", "env.NAME", "/run/secrets/x",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		secret, err := ParseSecret(s)
		svixKey, svixAccepts := decodeAsSvix(s)
		if err != nil {
			if !secretErrors.MatchString(err.Error()) {
				t.Fatalf("%q: %v", s, err)
			}
			if svixAccepts && len(svixKey) >= 24 && err.Error() != errRepeated && !strings.ContainsAny(s, "\r\n") {
				t.Fatalf("%q: Svix's library takes it, but: %v", s, err)
			}
			return
		}
		if got := fmt.Sprintf("%v %+v %#v %d", secret, secret, secret, secret); got != strings.TrimSpace(strings.Repeat("[signing secret] ", 4)) {
			t.Fatalf("%q prints as %q", s, got)
		}
		if err := secret.SelfTest(); err != nil {
			t.Fatal(err)
		}

		if !secret.Symmetric() {
			if len(secret.publicKey) != ed25519.PublicKeySize || !strings.HasPrefix(strings.TrimSpace(strings.TrimPrefix(s, "\ufeff")), "whpk_") {
				t.Fatalf("%q is no public key", s)
			}
			return
		}
		if len(secret.hmacKey) < 24 {
			t.Fatalf("%q has a key of %d bytes", s, len(secret.hmacKey))
		}
		if len(slices.Compact(slices.Clone(secret.hmacKey))) == 1 {
			t.Fatalf("%q has a key of one repeated byte", s)
		}
		if svixAccepts && !bytes.Equal(secret.hmacKey, svixKey) {
			t.Fatalf("%q is another key for Svix's library", s)
		}
		written := "whsec_" + base64.StdEncoding.EncodeToString(secret.hmacKey)
		if mustParseSecret(t, written).Fingerprint() != secret.Fingerprint() {
			t.Fatalf("%q is another key once written as %q", s, written)
		}
	})
}

// The Ed25519 points of order 1, 2, 4 and 8, in all the spellings that a
// verifier reads. The all-zero key, which a template may hold, is one of them.
func TestParseSecretRefusesKeysForWhichAnyoneCanSign(t *testing.T) {
	const want = "it is a weak public key, for which anyone can sign: copy the sender's own key"
	for name, encoded := range map[string]string{
		"order 1":                         "0100000000000000000000000000000000000000000000000000000000000000",
		"order 1, signed":                 "0100000000000000000000000000000000000000000000000000000000000080",
		"order 1, over the prime":         "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 1, over the prime, signed": "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 2":                         "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 2, signed":                 "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 4, all zero":               "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, all zero, signed":       "0000000000000000000000000000000000000000000000000000000000000080",
		"order 4, over the prime":         "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4, over the prime, signed": "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"order 8":                         "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, signed":                 "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
		"order 8, the other":              "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"order 8, the other, signed":      "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
	} {
		t.Run(name, func(t *testing.T) {
			key, err := hex.DecodeString(encoded)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := ParseSecret("whpk_" + base64.StdEncoding.EncodeToString(key)); err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
}

func TestSecretsInTexts(t *testing.T) {
	const key = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, test := range []struct {
		text  string
		holds bool
		shown string
	}{
		{"whsec_" + key + "==", true, "whsec_…"},
		{`--to "https://example.com/?a=whsec_` + key + `%3D%3D": no`, true, `--to "https://example.com/?a=whsec_…": no`},
		{"whpk_" + key + " and whsk_" + key, true, "whpk_… and whsk_…"},
		{"whsec_whsec_" + key, true, "whsec_…"},
		{"sk_live_" + key, true, "sk_live_…"},
		{"--since 'sk_test_bm90IGEga2V5': no", true, "--since 'sk_test_…': no"},
		{"7sk_test_" + key, true, "sk_test_…"},
		{"sk_live_short", true, "sk_live_…"},
		{"c_mfkq7r6gkyqrtwjupd5ilpzio2lalasw", true, "c_…"},
		{"https://play.svix.com/in/c_abcDEF1234/", false, "https://play.svix.com/in/c_…"},
		{"it begins with whsec_…, sk_live_ or sk_test_", true, "it begins with whsec_…, sk_live_ or sk_test_"},

		{"task_test_webhook", false, "task_test_webhook"},
		{"risk_live_1", false, "risk_live_1"},
		{"user_29w83sxmDNGwOuEthce5gg6FcC6", false, "user_29w83sxmDNGwOuEthce5gg6FcC6"},
		{"c_web", false, "c_web"},
		{"public_endpoint", false, "public_endpoint"},
		{"", false, ""},
	} {
		t.Run(test.text, func(t *testing.T) {
			if got := HoldsSecret(test.text); got != test.holds {
				t.Errorf("it holds a secret: %v, want %v", got, test.holds)
			}
			if got := Redact(test.text); got != test.shown {
				t.Errorf("it is shown as %q, want %q", got, test.shown)
			}
		})
	}
}
