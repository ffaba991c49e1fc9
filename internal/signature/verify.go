package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
)

const (
	versionHMAC    = "v1"
	versionEd25519 = "v1a"

	encodedHMACLength    = (sha256.Size + 2) / 3 * 4
	encodedEd25519Length = (ed25519.SignatureSize + 2) / 3 * 4
)

// maxEd25519Attempts bounds what one header can make the processor do: a public
// key signature costs as much to check as an HMAC over 100 KB.
const maxEd25519Attempts = 10

// strictBase64 takes one spelling of each signature only.
var strictBase64 = base64.StdEncoding.Strict()

// Verify returns the first of secrets with which one of the signatures was made
// over the id, the timestamp and the body, or an *Error with the reason
// Mismatch. Signatures of unknown versions are skipped. It compares in constant
// time and does not look at the clock: see CheckFreshness.
func Verify(secrets []*Key, h *Headers, body []byte) (index int, err error) {
	for i, secret := range secrets {
		if secret.verify(h, body) {
			return i, nil
		}
	}
	return -1, errMismatch
}

func (k *Key) verify(h *Headers, body []byte) bool {
	if k.Symmetric() {
		return k.verifyHMAC(h, body)
	}
	return k.verifyEd25519(h, body)
}

func (k *Key) verifyHMAC(h *Headers, body []byte) bool {
	state := k.states.Get().(*hmacState)
	defer k.states.Put(state)

	expected := state.sign(h.ID, h.Timestamp, body)
	match := 0
	for version, sig, rest := nextSignature(h.Signatures); version != ""; version, sig, rest = nextSignature(rest) {
		if version == versionHMAC && len(sig) == encodedHMACLength {
			match |= subtle.ConstantTimeCompare(state.candidate(sig), expected)
		}
	}
	return match == 1
}

func (k *Key) verifyEd25519(h *Headers, body []byte) bool {
	var text []byte
	attempts := 0
	for version, sig, rest := nextSignature(h.Signatures); version != "" && attempts < maxEd25519Attempts; version, sig, rest = nextSignature(rest) {
		if version != versionEd25519 || len(sig) != encodedEd25519Length {
			continue
		}
		decoded, err := strictBase64.DecodeString(sig)
		if err != nil || len(decoded) != ed25519.SignatureSize {
			continue
		}
		attempts++
		if text == nil {
			text = append(appendPrefix(make([]byte, 0, len(h.ID)+len(h.Timestamp)+2+len(body)), h.ID, h.Timestamp), body...)
		}
		if ed25519.Verify(k.publicKey, text, decoded) {
			return true
		}
	}
	return false
}

// hmacState is a keyed HMAC with the room that one computation needs.
type hmacState struct {
	mac     hash.Hash
	prefix  []byte
	sum     [sha256.Size]byte
	encoded [encodedHMACLength]byte
	given   [encodedHMACLength]byte
}

func newHMACState(key []byte) *hmacState {
	return &hmacState{mac: hmac.New(sha256.New, key), prefix: make([]byte, 0, maxIDLength+maxTimestampDigits+2)}
}

// sign returns the signature in base64, valid until the next call. It is
// compared as text, as Svix's libraries do, so that a signature has one
// spelling.
func (st *hmacState) sign(id, timestamp string, body []byte) []byte {
	st.prefix = appendPrefix(st.prefix[:0], id, timestamp)
	st.mac.Reset()
	st.mac.Write(st.prefix)
	st.mac.Write(body)
	base64.StdEncoding.Encode(st.encoded[:], st.mac.Sum(st.sum[:0]))
	return st.encoded[:]
}

// candidate returns sig as bytes without allocating. It must have the length of
// an encoded HMAC.
func (st *hmacState) candidate(sig string) []byte {
	copy(st.given[:], sig)
	return st.given[:]
}

func appendPrefix(b []byte, id, timestamp string) []byte {
	b = append(b, id...)
	b = append(b, '.')
	b = append(b, timestamp...)
	return append(b, '.')
}
