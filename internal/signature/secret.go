package signature

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"unicode"

	"filippo.io/edwards25519"
)

// The prefixes of the Standard Webhooks specification, which Svix uses too.
const (
	hmacPrefix       = "whsec_"
	publicKeyPrefix  = "whpk_"
	privateKeyPrefix = "whsk_"
)

// ByteOrderMark is what editors on Windows write at the start of a file. A variable
// that was set from such a file still has it.
const ByteOrderMark = "\ufeff"

// SecretVariable is the environment variable that Clerk's own SDKs read.
const SecretVariable = "CLERK_WEBHOOK_SIGNING_SECRET"

// TutorialVariable is the name that many tutorials use instead.
const TutorialVariable = "CLERK_WEBHOOK_SECRET"

// minKeyLength is the length of the shortest HMAC key that the Standard Webhooks
// specification allows, in bytes. It also excludes the empty key, with which
// anyone could sign.
const minKeyLength = 24

// Key is a parsed signing secret. It verifies the signatures of one sender and is
// safe for concurrent use.
type Key struct {
	*keyMaterial
	states sync.Pool // of *hmacState: to set up a keyed HMAC costs more than to use it
}

// keyMaterial has one of the two kinds of key. Key has it behind a pointer to keep
// it out of prints. When package fmt prints a struct that has a Key in an
// unexported field, it calls no methods of the Key, but it does not follow
// pointers either.
type keyMaterial struct {
	hmacKey   []byte
	publicKey ed25519.PublicKey
}

// ParseSecret reads a signing secret as a dashboard shows it: "whsec_" and base64
// for HMAC-SHA256, or "whpk_" and base64 for an Ed25519 public key. A secret
// without a prefix is an HMAC key, as in Svix's libraries. ParseSecret ignores
// white space around the secret and a byte order mark in front. The base64 needs
// no padding.
//
// An HMAC key must have at least 24 bytes, and a public key must have 32. Errors
// say what to do. They never contain a part of the secret.
func ParseSecret(s string) (*Key, error) {
	s = strings.TrimSpace(strings.TrimPrefix(s, ByteOrderMark))
	if s == "" {
		return nil, errors.New("it is empty")
	}
	if strings.Contains(s, "\x00") {
		return nil, errors.New("it contains zero bytes, as a file in UTF-16 does: save it as UTF-8")
	}
	if strings.ContainsAny(s, "\"'`") {
		return nil, errors.New("it contains quotation marks: remove them")
	}
	if countSecrets(s) > 1 {
		return nil, errors.New("it holds more than one secret: give each its own option, with a variable or file of its own")
	}
	if strings.HasPrefix(s, privateKeyPrefix) {
		return nil, errors.New("it is the sender's private key (whsk_…): use the public key (whpk_…) instead, and keep the private one away from receivers")
	}

	if encoded, ok := strings.CutPrefix(s, publicKeyPrefix); ok {
		return newPublicKey(encoded)
	}
	key, err := newHMACKey(strings.TrimPrefix(s, hmacPrefix))
	if err != nil && !errors.Is(err, errGuessable) {
		err = explainMistake(s, err)
	}
	return key, err
}

// countSecrets counts the secrets in a list that is separated by white space, commas
// or semicolons.
func countSecrets(list string) int {
	count := 0
	for _, text := range strings.FieldsFunc(list, func(r rune) bool { return unicode.IsSpace(r) || r == ',' || r == ';' }) {
		if strings.HasPrefix(text, hmacPrefix) || strings.HasPrefix(text, publicKeyPrefix) {
			count++
		}
	}
	return count
}

func newPublicKey(encoded string) (*Key, error) {
	key, err := decodeKey(encoded)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("it decodes to %d bytes, but an Ed25519 public key (whpk_…) has exactly %d: copy all of it", len(key), ed25519.PublicKeySize)
	}
	point, err := new(edwards25519.Point).SetBytes(key)
	if err != nil {
		return nil, errors.New("it is not an Ed25519 public key, so no signature can match it: copy the sender's own key (whpk_…)")
	}
	if anyoneCanSign(point) {
		return nil, errors.New("it is a weak public key, for which anyone can sign: copy the sender's own key")
	}
	return &Key{keyMaterial: &keyMaterial{publicKey: key}}, nil
}

// anyoneCanSign reports whether a public key is one of the few points of small order,
// such as 32 zero bytes. Anyone can make signatures for these without a private key.
func anyoneCanSign(publicKey *edwards25519.Point) bool {
	return new(edwards25519.Point).MultByCofactor(publicKey).Equal(edwards25519.NewIdentityPoint()) == 1
}

var errGuessable = errors.New("it is one byte or one character over and over, as in a template, so anyone can guess it: copy your endpoint's own secret")

func newHMACKey(encoded string) (*Key, error) {
	key, err := decodeKey(encoded)
	if err != nil {
		return nil, err
	}
	if len(key) < minKeyLength {
		return nil, fmt.Errorf("it decodes to %d bytes, but needs at least %d: copy all of it, from whsec_ to the end", len(key), minKeyLength)
	}
	if isRepeated(key) || isRepeated([]byte(strings.TrimRight(encoded, "="))) {
		return nil, errGuessable
	}
	k := &Key{keyMaterial: &keyMaterial{hmacKey: key}}
	k.states.New = func() any { return newHMACState(key) }
	return k, nil
}

// isRepeated reports whether all bytes of b are the same.
func isRepeated(b []byte) bool { return bytes.Count(b, b[:1]) == len(b) }

func decodeKey(encoded string) ([]byte, error) {
	// The decoders of encoding/base64 would skip line breaks.
	if strings.ContainsAny(encoded, " \t\r\n") {
		return nil, errors.New("it contains white space: remove it")
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(encoded, "=") {
		encoding = base64.StdEncoding
	}
	key, err := encoding.DecodeString(encoded)
	if err != nil {
		if strings.ContainsAny(encoded, "-_") && isURLEncoded(encoded) {
			return nil, errors.New("it is base64 for URLs: replace each - by + and each _ by /")
		}
		// The decoder's error would tell a part of the secret.
		return nil, errors.New("it is not base64 after the prefix: copy all of it, to the end")
	}
	return key, nil
}

// isURLEncoded reports whether a text is base64 in the alphabet for URLs. A prefix in it
// would be a prefix too many.
func isURLEncoded(encoded string) bool {
	_, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	return err == nil && !strings.Contains(encoded, hmacPrefix) && !strings.Contains(encoded, publicKeyPrefix)
}

var variableName = regexp.MustCompile(`^\$?[A-Z][A-Z0-9_]*$`)

// explainMistake returns an error that says what s is, if it is something that
// people often give instead of a secret. Otherwise it returns err.
func explainMistake(s string, err error) error {
	_, value, hasName := strings.Cut(s, "=")
	switch {
	case strings.HasPrefix(s, "sk_") || strings.HasPrefix(s, "pk_"):
		return errors.New("it is one of Clerk's API keys (sk_… or pk_…): a signing secret begins with whsec_")
	case strings.HasPrefix(s, "v1,"+hmacPrefix):
		return errors.New("it has v1, in front: remove that, so that it begins with whsec_")
	case strings.Contains(s, "…") || strings.Contains(s, "..."):
		return errors.New("it is an example from the documentation: use your endpoint's own secret instead")
	case hasName && strings.HasPrefix(value, hmacPrefix):
		return errors.New("it has a name in front: give only the part after the equals sign")
	case variableName.MatchString(s):
		return errors.New("it looks like the name of an environment variable: in a configuration write {env.NAME}")
	case strings.HasPrefix(s, "env.") || strings.HasPrefix(s, "file."):
		return errors.New("it looks like a placeholder without its braces: write {env.NAME} or {file./path}")
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./"):
		return errors.New("it looks like the name of a file: in a configuration write {file./path}")
	}
	return err
}

// GenerateSecret returns a new random secret for HMAC-SHA256: "whsec_" and 32
// bytes in base64.
func GenerateSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails, as crypto/rand says
	return hmacPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// Symmetric reports whether the key is an HMAC key, which can also sign.
func (k *Key) Symmetric() bool { return k.hmacKey != nil }

// IsText reports whether the key is the text of another secret, as when somebody encoded
// a whole secret in base64. Some senders do sign with such a key.
func (k *Key) IsText() bool { return bytes.HasPrefix(k.hmacKey, []byte(hmacPrefix)) }

// Fingerprint returns a hash of the key. It identifies the key without telling it,
// and does not depend on how the secret was written.
func (k *Key) Fingerprint() [sha256.Size]byte {
	if k.Symmetric() {
		return sha256.Sum256(append([]byte("v1:"), k.hmacKey...))
	}
	return sha256.Sum256(append([]byte("v1a:"), k.publicKey...))
}

// String keeps the key out of logs and errors.
func (k *Key) String() string { return "[signing secret]" }

// Format keeps the key out of whatever package fmt prints, with any verb.
func (k *Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// Interface guards
var (
	_ fmt.Formatter = (*Key)(nil)
	_ fmt.Stringer  = (*Key)(nil)
)
