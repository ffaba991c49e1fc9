package signature

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// The prefixes of the Standard Webhooks specification, which Svix uses too.
const (
	hmacPrefix       = "whsec_"
	publicKeyPrefix  = "whpk_"
	privateKeyPrefix = "whsk_"
)

// ByteOrderMark is what editors on Windows put in front of a file, and what is
// still there when a variable was set from one.
const ByteOrderMark = "\ufeff"

// minKeyLength is the shortest HMAC key that the Standard Webhooks
// specification allows. It also keeps out the empty key, with which anyone
// could sign.
const minKeyLength = 24

// Key verifies the signatures of one sender. It is safe for concurrent use.
type Key struct {
	*keyMaterial
	states sync.Pool // of *hmacState: a keyed HMAC costs more to set up than to use
}

// keyMaterial holds a key of either kind. It is reached through a pointer because
// package fmt, where it prints a struct that holds a Key in an unexported
// field, calls no methods but does not follow pointers either.
type keyMaterial struct {
	hmacKey   []byte
	publicKey ed25519.PublicKey
}

// ParseSecret reads a signing secret as a dashboard shows it: "whsec_" and
// base64 for HMAC-SHA256, or "whpk_" and base64 for an Ed25519 public key.
// Without a prefix it is taken for an HMAC key, as Svix's libraries do.
// White space around it is ignored, a byte order mark in front too, and base64
// may lack its padding.
//
// An HMAC key must have at least 24 bytes, a public key exactly 32. Errors say
// what to do and never contain a part of the secret.
func ParseSecret(s string) (*Key, error) {
	s = strings.TrimSpace(strings.TrimPrefix(s, ByteOrderMark))
	if s == "" {
		return nil, errors.New("it is empty")
	}
	if strings.Contains(s, "\x00") {
		return nil, errors.New("it contains zero bytes, as a file saved as UTF-16 does: save it as UTF-8")
	}
	if strings.ContainsAny(s, "\"'`") {
		return nil, errors.New("it contains quotation marks: remove them")
	}
	if strings.HasPrefix(s, privateKeyPrefix) {
		return nil, errors.New("it is the sender's private key (whsk_…): use the public key (whpk_…) instead, and keep the private one away from receivers")
	}

	if encoded, ok := strings.CutPrefix(s, publicKeyPrefix); ok {
		return newPublicKey(encoded)
	}
	secret, err := newHMACSecret(strings.TrimPrefix(s, hmacPrefix))
	if err != nil {
		return nil, explainNoSecret(s, err)
	}
	return secret, nil
}

func newPublicKey(encoded string) (*Key, error) {
	key, err := decodeKey(encoded)
	if err != nil {
		return nil, err
	}
	if len(key) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("it decodes to %d bytes and an Ed25519 public key (whpk_…) has exactly %d: copy it whole", len(key), ed25519.PublicKeySize)
	}
	if anyoneCanSign(key) {
		return nil, errors.New("it is a public key for which anyone can sign: copy the sender's own")
	}
	return &Key{keyMaterial: &keyMaterial{publicKey: key}}, nil
}

func newHMACSecret(encoded string) (*Key, error) {
	key, err := decodeKey(encoded)
	if err != nil {
		return nil, err
	}
	if len(key) < minKeyLength {
		return nil, fmt.Errorf("it decodes to %d bytes and at least %d are needed: copy it whole, from whsec_ to its end", len(key), minKeyLength)
	}
	s := &Key{keyMaterial: &keyMaterial{hmacKey: key}}
	s.states.New = func() any { return newHMACState(key) }
	return s, nil
}

func decodeKey(encoded string) ([]byte, error) {
	// The decoders of encoding/base64 skip line breaks, which have no business
	// inside a secret.
	if strings.ContainsAny(encoded, " \t\r\n") {
		return nil, errors.New("it contains white space: copy it as one word")
	}
	encoding := base64.RawStdEncoding
	if strings.HasSuffix(encoded, "=") {
		encoding = base64.StdEncoding
	}
	key, err := encoding.DecodeString(encoded)
	if err != nil {
		// The position of the fault is not told: it says something about the secret.
		return nil, errors.New("it is not base64 after its prefix: copy it whole, to its very end")
	}
	return key, nil
}

// GenerateSecret returns a new random secret of 32 bytes, with its prefix, for
// HMAC-SHA256.
func GenerateSecret() string {
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails, as crypto/rand says
	return hmacPrefix + base64.StdEncoding.EncodeToString(key[:])
}

// Symmetric reports whether the secret can also sign.
func (k *Key) Symmetric() bool { return k.hmacKey != nil }

// Fingerprint identifies the key without telling it. Two secrets with the same
// key have the same fingerprint, however they were written.
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
