package signature

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

func TestGuessable(t *testing.T) {
	text := func(s string) string { return "whsec_" + base64.StdEncoding.EncodeToString([]byte(s)) }
	bytesOf := func(length int, at func(i int) int) string {
		b := make([]byte, length)
		for i := range b {
			b[i] = byte(at(i))
		}
		return text(string(b))
	}
	for name, test := range map[string]struct {
		secret string
		want   bool
	}{
		"two bytes in turn":            {text(strings.Repeat("ab", 12)), true},
		"digits":                       {text("012345678901234567890123"), true},
		"digits and letters":           {text("0123456789abcdefghijklmnopqrstuvwxyz"), true},
		"the alphabet":                 {text("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"), true},
		"hexadecimal digits":           {text("0123456789abcdef0123456789abcdef"), true},
		"a word":                       {text(strings.Repeat("secret", 4)), true},
		"a word, cut off":              {text(strings.Repeat("changeme", 4)[:27]), true},
		"a long word twice":            {text("password1234password1234"), true},
		"a word and a run of zeros":    {text("key" + strings.Repeat("0", 24)), true},
		"bits":                         {text("010011010110011010010110"), true},
		"bytes in order":               {bytesOf(24, func(i int) int { return i }), true},
		"bytes in order, from another": {bytesOf(32, func(i int) int { return 200 + i }), true},
		"bytes backwards":              {bytesOf(32, func(i int) int { return -i }), true},
		"every seventh byte":           {bytesOf(64, func(i int) int { return 7 * i }), true},
		"base64 of a word":             {"whsec_" + strings.Repeat("changeme", 4), true},
		"base64 of another word":       {"whsec_" + strings.Repeat("secret", 6), true},
		"base64 of the alphabet":       {"whsec_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", true},

		"a word twice, between them a hyphen": {text("my-secret-key-my-secret-key"), true},
		"a word twice, between them a space":  {text("correcthorse correcthorse"), true},
		"bytes in order, written in hex":      {text("000102030405060708090a0b0c0d0e0f"), true},
		"the same in capitals":                {text("101112131415161718191A1B1C1D1E1F2021222324252627"), true},
		"the same, given as base64":           {"whsec_000102030405060708090a0b0c0d0e0f1011121314151617", true},
		"numbers of 16 bits, big-endian":      {bytesOf(32, func(i int) int { return i % 2 * (i / 2) }), true},
		"numbers of 16 bits, little-endian":   {bytesOf(24, func(i int) int { return (i + 1) % 2 * (i / 2) }), true},
		"numbers of 16 bits, from another":    {bytesOf(64, func(i int) int { return (300 + i/2) >> (8 * ((i + 1) % 2)) }), true},

		"public key of zeros":          {"whpk_O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=", true},
		"public key of bytes in order": {"whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=", true},

		"public key of 01 to 20":         {"whpk_ebVWLo/mVPlAeLES6KmLp5AfhTrmlb7X4OORC60ElmQ=", true},
		"public key of 1f to 00":         {"whpk_cSZR9FC6BbY4mLme9fe6RWMujiUn9/cVzWcexAJMxR4=", true},
		"public key of 20 to 3f":         {"whpk_Kay64UG8yvCyLhqU000LxzYeUm0L/hLIl5S8kyKWbdc=", true},
		"public key of 1, big-endian":    {"whpk_TLWr9q15+/WrvMr8wmnYXNJlHtS4hbWGnyQa7fCluik=", true},
		"public key of 1, little-endian": {"whpk_zswVB9wd3XKVlRwpCIjwla25BE0bc9aW5t8GXWg71Pw=", true},
		"public key with the scalar 1":   {"whpk_WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY=", true},
		"public key with the scalar 2":   {"whpk_yaP4aq5GXw5WUThkUQ85l1YfosnoXqIdwikjCfPNYCI=", true},

		"a random key":       {GenerateSecret(), false},
		"a key of Svix":      {"whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", false},
		"hexadecimal text":   {text("9d61b19deffd5a60ba844af492ec2cc4"), false},
		"text of a sender":   {text("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"), false},
		"a long pass phrase": {text("correct horse battery staple"), false},
		"a public key":       {"whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4=", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := mustParseSecret(t, test.secret).Guessable(); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
		})
	}
}

// Nobody is warned about a key that is really random, whatever its length is and however
// its sender makes it.
func TestRandomKeysAreNotGuessable(t *testing.T) {
	const keys = 5_000
	random := make([]byte, 64)
	for range keys {
		for length := minKeyLength; length <= len(random); length += 4 {
			_, _ = rand.Read(random[:length])
			if isPattern(random[:length]) {
				t.Fatalf("%x", random[:length])
			}
			if encoded := hex.EncodeToString(random[:length/2]); length >= 32 && isPattern([]byte(encoded)) {
				t.Fatalf("the text %s", encoded)
			}
		}
	}
}
