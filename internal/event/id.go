package event

import (
	"crypto/rand"
	"encoding/binary"
	"math/big"
	"strings"
	"time"
)

// An id of Clerk or Svix is a prefix and a KSUID (github.com/segmentio/ksuid). A
// KSUID has four bytes of seconds since ksuidEpoch and sixteen random bytes, written
// as 27 digits in base 62.
const (
	ksuidEpoch  = 1_400_000_000
	ksuidLength = 27
	base62      = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewID returns a new id. For the prefix "msg" it is one such as
// "msg_3B1LthHJj28d4rw3owVgC6UxlZK". Ids with the same prefix sort by time.
func NewID(prefix string, at time.Time) string {
	var ksuid [20]byte
	binary.BigEndian.PutUint32(ksuid[:4], uint32(at.Unix()-ksuidEpoch))
	_, _ = rand.Read(ksuid[4:]) // never fails, as crypto/rand says

	digits := make([]byte, ksuidLength)
	rest, base, digit := new(big.Int).SetBytes(ksuid[:]), big.NewInt(int64(len(base62))), new(big.Int)
	for i := ksuidLength - 1; i >= 0; i-- {
		rest.DivMod(rest, base, digit)
		digits[i] = base62[digit.Int64()]
	}
	return prefix + "_" + string(digits)
}

// idPrefix returns "user" for "user_3B1LthHJj28d4rw3owVgC6UxlZK", and "" for a text
// that is not an id.
func idPrefix(s string) string {
	end := strings.LastIndexByte(s, '_')
	if end <= 0 || len(s)-end-1 != ksuidLength {
		return ""
	}
	for i, c := range []byte(s) {
		isPrefix := i < end && (c == '_' || 'a' <= c && c <= 'z')
		isDigit := i > end && strings.IndexByte(base62, c) >= 0
		if i != end && !isPrefix && !isDigit {
			return ""
		}
	}
	return s[:end]
}
