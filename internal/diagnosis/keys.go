package diagnosis

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// maxSecrets is how many secrets of each kind are tried in other spellings.
const maxSecrets = 32

// keyCandidates returns the keys of the secrets: first the secrets as they are, then
// what the respellings make of them. It ignores texts that are not a secret.
func keyCandidates(d Delivery) []candidate[key] {
	c := keyCollector{seen: make(map[[sha256.Size]byte]bool)}
	for _, s := range d.Secrets {
		key, _ := s.Parse()
		c.add(s, key)
	}
	for _, s := range d.OtherSecrets {
		key, _ := s.Parse()
		c.add(s, key, isOther(s))
	}
	for i, s := range d.Secrets {
		if i < maxSecrets {
			c.respell(s)
		}
	}
	for i, s := range d.OtherSecrets {
		if i < maxSecrets {
			c.respell(s, isOther(s))
		}
	}
	return c.keys
}

func isOther(s Secret) Finding {
	return proven(SecretOther, fmt.Sprintf("it was signed with the %v, which this endpoint does not accept", s))
}

type keyCollector struct {
	keys []candidate[key]
	seen map[[sha256.Size]byte]bool
}

func (c *keyCollector) add(s Secret, secret *signature.Key, fixes ...Finding) {
	if secret == nil || c.seen[secret.Fingerprint()] {
		return
	}
	c.seen[secret.Fingerprint()] = true
	c.keys = append(c.keys, candidate[key]{key{s.Name, secret}, fixes})
}

// respell adds what the text of s was perhaps meant to be, and the keys that signers
// make of the text by mistake.
func (c *keyCollector) respell(s Secret, fixes ...Finding) {
	if s.Text() == "" {
		return
	}
	forms := []candidate[string]{{s.Text(), fixes}}
	for _, r := range respellings {
		for _, form := range forms {
			for _, text := range r.apply(form.value) {
				if text == form.value || text == "" || len(forms) >= maxForms {
					continue
				}
				because := append(slices.Clone(form.fixes), proven(r.code, fmt.Sprintf("the secret %q %s", s.Name, r.what)))
				forms = append(forms, candidate[string]{text, because})
			}
		}
	}
	for _, form := range forms {
		secret, err := signature.ParseSecret(form.value)
		if err != nil {
			continue
		}
		c.add(s, secret, form.fixes...)
	}
	for _, text := range asText(s.Text()) {
		because := proven(SecretAsText, fmt.Sprintf("it was signed with the text of the secret %q: the signer must decode the base64 after whsec_", s.Name))
		c.add(s, hmacSecret([]byte(text)), append(slices.Clone(fixes), because)...)
	}
}

// maxForms is how many spellings of one secret are tried.
const maxForms = 64

// respelling undoes one thing that can happen to a secret between a dashboard and a
// configuration.
type respelling struct {
	code  Code
	what  string
	apply func(text string) []string
}

// respellings are in the order in which they must be undone.
var respellings = []respelling{
	{SecretQuoted, "has quotation marks around it: remove them", func(text string) []string {
		text = strings.TrimSpace(text)
		if unquoted := strings.Trim(text, quotes); unquoted != text {
			return []string{unquoted}
		}
		return nil
	}},
	{SecretWhiteSpace, "has white space inside, or a line end written as \\n: remove it", func(text string) []string {
		text = strings.NewReplacer(`\n`, "", `\r`, "").Replace(strings.TrimSpace(text))
		return []string{strings.Map(dropSpace, text)}
	}},
	{SecretPrefix, "has a damaged or doubled prefix, or something in front of it: it must start with one whsec_", func(text string) []string {
		for _, prefix := range []string{"whsec_", "whpk_"} {
			if i := strings.LastIndex(text, prefix); i > 0 {
				return []string{text[i:]}
			}
		}
		for _, rest := range []string{"whsec", "hsec_", "sec_", "ec_", "c_", "_"} {
			if encoded, ok := strings.CutPrefix(text, rest); ok {
				return []string{"whsec_" + strings.TrimPrefix(encoded, "_")}
			}
		}
		return nil
	}},
	{SecretAltered, "was rewritten for a URL: base64 has +, / and =, not -, _ and %", func(text string) []string {
		prefix, encoded := cutPrefix(text)
		fixed := strings.NewReplacer("-", "+", "_", "/", "%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "=", "%3d", "=").Replace(encoded)
		return []string{prefix + fixed, prefix + strings.ReplaceAll(encoded, " ", "+")}
	}},
	{SecretPrefix, "is a public key without its prefix: it must start with whpk_", func(text string) []string {
		_, encoded := cutPrefix(text)
		return []string{"whpk_" + encoded}
	}},
	{SecretPrefix, "has the prefix of another kind of secret: it must start with whsec_", func(text string) []string {
		if _, encoded := cutPrefix(text); strings.HasPrefix(text, "whpk_") || strings.HasPrefix(text, "whsk_") {
			return []string{"whsec_" + encoded}
		}
		return nil
	}},
	{SecretPrivateKey, "is the sender's private key: verify with the public one (whpk_…), and keep the private one away from receivers", func(text string) []string {
		prefix, encoded := cutPrefix(text)
		private, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(encoded, "="))
		if prefix != "whsk_" || err != nil || len(private) < ed25519.SeedSize {
			return nil
		}
		public := ed25519.NewKeyFromSeed(private[:ed25519.SeedSize]).Public().(ed25519.PublicKey)
		return []string{"whpk_" + base64.StdEncoding.EncodeToString(public)}
	}},
}

// quotes are the quotation marks of shells, code and word processors.
const quotes = "\"'`“”‘’"

func dropSpace(r rune) rune {
	if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
		return -1
	}
	return r
}

func cutPrefix(text string) (prefix, encoded string) {
	for _, prefix := range []string{"whsec_", "whpk_", "whsk_"} {
		if encoded, ok := strings.CutPrefix(text, prefix); ok {
			return prefix, encoded
		}
	}
	return "", text
}

// asText returns the keys that a signer uses if it does not decode the secret.
func asText(text string) []string {
	trimmed := strings.TrimSpace(text)
	_, encoded := cutPrefix(trimmed)
	return []string{trimmed, encoded, text}
}

func hmacSecret(key []byte) *signature.Key {
	secret, err := signature.ParseSecret("whsec_" + base64.StdEncoding.EncodeToString(key))
	if err != nil {
		return nil
	}
	return secret
}
