package signature

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"hash"
	"slices"

	"filippo.io/edwards25519"
)

const (
	versionHMAC    = "v1"
	versionEd25519 = "v1a"

	encodedHMACLength    = (sha256.Size + 2) / 3 * 4
	encodedEd25519Length = (ed25519.SignatureSize + 2) / 3 * 4
)

// MaxEd25519Attempts bounds the work for one header and key. Svix signs with the current
// key of an endpoint and with up to ten former ones, so the entry that a receiver's key
// made can be the eleventh.
const MaxEd25519Attempts = 11

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

// verifyEd25519 hashes the whole text once for each entry that may be a signature. It
// cannot hash once for all of them: Ed25519 hashes the signature's R and the public key
// in front of the text.
func (k *Key) verifyEd25519(h *Headers, body []byte) bool {
	var text []byte
	tried := make([]string, 0, MaxEd25519Attempts)
	for version, sig, rest := nextSignature(h.Signatures); version != "" && len(tried) < MaxEd25519Attempts; version, sig, rest = nextSignature(rest) {
		if version != versionEd25519 || slices.Contains(tried, sig) {
			continue
		}
		decoded, ok := decodeEd25519(sig)
		if !ok {
			continue
		}
		tried = append(tried, sig)
		if text == nil {
			text = append(appendPrefix(make([]byte, 0, len(h.ID)+len(h.Timestamp)+2+len(body)), h.ID, h.Timestamp), body...)
		}
		if ed25519.Verify(k.publicKey, text, decoded) {
			return true
		}
	}
	return false
}

// decodeEd25519 refuses what is no signature for any key and text. Package ed25519
// would hash the text before it looks at the second half, S.
func decodeEd25519(sig string) (decoded []byte, ok bool) {
	if len(sig) != encodedEd25519Length {
		return nil, false
	}
	decoded, err := strictBase64.DecodeString(sig)
	if err != nil || len(decoded) != ed25519.SignatureSize {
		return nil, false
	}
	_, err = edwards25519.NewScalar().SetCanonicalBytes(decoded[ed25519.SignatureSize/2:])
	return decoded, err == nil
}

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
