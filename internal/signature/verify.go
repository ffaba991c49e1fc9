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

// maxEd25519Attempts bounds the work for one header. To check an Ed25519 signature
// costs as much as an HMAC over 100 KB.
const maxEd25519Attempts = 10

// strictBase64 accepts only one spelling of each signature.
var strictBase64 = base64.StdEncoding.Strict()

// Verify returns the index of the first key with which one of the signatures was
// made for the id, the timestamp and the body. If there is none it returns -1 and
// an *Error with the reason Mismatch. It skips signatures of unknown versions.
//
// It compares in constant time. It does not look at the clock: CheckFreshness
// does.
func Verify(keys []*Key, h *Headers, body []byte) (index int, err error) {
	for i, key := range keys {
		if key.verify(h, body) {
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

// hmacState is a keyed HMAC with the memory for one computation.
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

// sign returns the signature in base64, which is valid until the next call. As in
// Svix's libraries, signatures are compared in that form, so that each has only
// one spelling.
func (st *hmacState) sign(id, timestamp string, body []byte) []byte {
	st.prefix = appendPrefix(st.prefix[:0], id, timestamp)
	st.mac.Reset()
	st.mac.Write(st.prefix)
	st.mac.Write(body)
	base64.StdEncoding.Encode(st.encoded[:], st.mac.Sum(st.sum[:0]))
	return st.encoded[:]
}

// candidate returns sig as bytes without an allocation. sig must have the length
// of an encoded HMAC.
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
