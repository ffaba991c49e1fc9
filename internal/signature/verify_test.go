package signature

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// wrongEd25519 has the form of a v1a signature that no key of these tests makes.
var wrongEd25519 = base64.StdEncoding.EncodeToString(make([]byte, 64))

// wrongEd25519List returns n entries that differ. Each has the form of a v1a signature
// that no key of these tests makes.
func wrongEd25519List(n int) string {
	var list strings.Builder
	for i := range n {
		sig := make([]byte, 64)
		sig[32] = byte(i + 1)
		list.WriteString("v1a," + base64.StdEncoding.EncodeToString(sig) + " ")
	}
	return list.String()
}

// impossibleEd25519List returns n entries that differ. Each has 64 bytes whose S is
// not below the order of the group.
func impossibleEd25519List(n int) string {
	var list strings.Builder
	for i := range n {
		sig := make([]byte, 64)
		sig[0], sig[63] = byte(i), 0x20
		list.WriteString("v1a," + base64.StdEncoding.EncodeToString(sig) + " ")
	}
	return list.String()
}

func TestVerify(t *testing.T) {
	current, previous, stranger := hmacSecret(t, "current"), hmacSecret(t, "previous"), hmacSecret(t, "stranger")
	public, private := keyPair(t, "asymmetric")
	byHMAC := func(key []byte) string {
		return strings.TrimPrefix(signBySvix(t, key, testID, testTime, testBody), "v1,")
	}
	byCurrent, byPrevious, byStranger := byHMAC(current.hmacKey), byHMAC(previous.hmacKey), byHMAC(stranger.hmacKey)
	byPrivate := signEd25519(private, testID, testTimestamp, testBody)

	tests := []struct {
		name       string
		secrets    []*Key
		signatures string
		want       int // -1 if refused
	}{
		{"one secret", []*Key{current}, "v1," + byCurrent, 0},
		{"the second secret", []*Key{current, previous}, "v1," + byPrevious, 1},
		{"the first of two equal secrets", []*Key{current, hmacSecret(t, "current")}, "v1," + byCurrent, 0},
		{"signed with both, as while a secret is rotated", []*Key{current, previous}, "v1," + byPrevious + " v1," + byCurrent, 0},
		{"both kinds of secrets, v1", []*Key{public, current}, "v1," + byCurrent, 1},
		{"both kinds of secrets, v1a", []*Key{current, public}, "v1a," + byPrivate, 1},
		{"no secret", nil, "v1," + byCurrent, -1},
		{"signed by a stranger", []*Key{current, previous, public}, "v1," + byStranger, -1},

		{"unknown versions in front", []*Key{current}, "v2,x v99," + byCurrent + " v1," + byCurrent, 0},
		{"junk in front", []*Key{current}, "junk , ,, v1 v1," + byCurrent, 0},
		{"a wrong v1 in front", []*Key{current}, "v1," + wrongHMAC + " v1," + byCurrent, 0},
		{"a wrong v1 behind", []*Key{current}, "v1," + byCurrent + " v1," + wrongHMAC, 0},
		{"folded by a comma", []*Key{current}, "v1," + wrongHMAC + ",v1," + byCurrent, 0},
		{"folded by a comma and a space", []*Key{current}, "v1," + wrongHMAC + ", v1," + byCurrent, 0},
		{"as many as the header has room for, the genuine last", []*Key{current}, strings.Repeat("v1,"+wrongHMAC+" ", 84) + "v1," + byCurrent, 0},

		{"only a wrong v1", []*Key{current}, "v1," + wrongHMAC, -1},
		{"without a version", []*Key{current}, byCurrent, -1},
		{"under an unknown version", []*Key{current}, "v2," + byCurrent, -1},
		{"under a version in capitals", []*Key{current}, "V1," + byCurrent, -1},
		{"under an empty version", []*Key{current}, "," + byCurrent, -1},
		{"an empty signature", []*Key{current}, "v1,", -1},
		{"a signature cut off by a character", []*Key{current}, "v1," + byCurrent[:43], -1},
		{"the first eight characters of a signature", []*Key{current}, "v1," + byCurrent[:8], -1},
		{"a signature with a character more", []*Key{current}, "v1," + byCurrent + "=", -1},
		{"a signature in two halves", []*Key{current}, "v1," + byCurrent[:22] + " v1," + byCurrent[22:], -1},
		{"a signature in another spelling of the same bytes", []*Key{current}, "v1," + otherSpelling(t, byCurrent), -1},

		{"an HMAC secret and its HMAC as v1a", []*Key{current}, "v1a," + byCurrent, -1},
		{"an HMAC secret and a genuine v1a", []*Key{current}, "v1a," + byPrivate, -1},
		{"a public key and its signature as v1", []*Key{public}, "v1," + byPrivate, -1},
		{"a public key taken for an HMAC key, v1", []*Key{public}, "v1," + byHMAC(public.publicKey), -1},
		{"a public key taken for an HMAC key, v1a", []*Key{public}, "v1a," + byHMAC(public.publicKey), -1},

		{"v1a by the oldest of the eleven keys that Svix signs with", []*Key{public}, wrongEd25519List(10) + "v1a," + byPrivate, 0},
		{"v1a after eleven wrong ones is not tried", []*Key{public}, wrongEd25519List(11) + "v1a," + byPrivate, -1},
		{"v1a after one wrong one, many times", []*Key{public}, strings.Repeat("v1a,"+wrongEd25519+" ", 40) + "v1a," + byPrivate, 0},
		{"v1a after many whose S is not below the order of the group", []*Key{public}, impossibleEd25519List(40) + "v1a," + byPrivate, 0},
		{"v1a after many that have no form", []*Key{public}, strings.Repeat("v1a,x v1a,AAAA v1a, ", 20) + "v1a," + byPrivate, 0},
		{"v1a after many of other versions", []*Key{public}, strings.Repeat("v1,"+wrongHMAC+" v2,x ", 40) + "v1a," + byPrivate, 0},
		{"v1a cut off", []*Key{public}, "v1a," + byPrivate[:84], -1},
		{"v1a with a byte more", []*Key{public}, "v1a," + byPrivate[:84] + "AAAA", -1},
		{"v1a with a line break in it", []*Key{public}, "v1a," + byPrivate[:40] + "\n" + byPrivate[40:], -1},
		{"only a wrong v1a", []*Key{public}, "v1a," + wrongEd25519, -1},
		{"v1a in another spelling of the same bytes", []*Key{public}, "v1a," + byPrivate[:85] + nextDigit(byPrivate[85]) + "==", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Verify(tt.secrets, headersOf(tt.signatures), testBody)
			if got != tt.want {
				t.Fatalf("secret %d (%v), want %d", got, err, tt.want)
			}
			if reason := reasonOf(t, err); (tt.want < 0) != (reason == Mismatch) || tt.want >= 0 && reason != "" {
				t.Errorf("reason %q with secret %d", reason, got)
			}
		})
	}
}

// otherSpelling changes the two bits at the end of a base64 text that decode to
// nothing.
func otherSpelling(t *testing.T, sig string) string {
	t.Helper()
	other := sig[:42] + nextDigit(sig[42]) + "="
	a, errA := base64.StdEncoding.DecodeString(sig)
	b, errB := base64.StdEncoding.DecodeString(other)
	if errA != nil || errB != nil || other == sig || !bytes.Equal(a, b) {
		t.Fatalf("%s is no other spelling of %s", other, sig)
	}
	return other
}

// nextDigit returns the base64 digit after an even one.
func nextDigit(digit byte) string {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	return string(digits[strings.IndexByte(digits, digit)+1])
}

func TestVerifyCoversIDTimestampAndBody(t *testing.T) {
	symmetric := hmacSecret(t, "covers")
	public, private := keyPair(t, "covers")
	signatures := signBySvix(t, symmetric.hmacKey, testID, testTime, testBody) + " v1a," + signEd25519(private, testID, testTimestamp, testBody)
	flipped := bytes.Clone(testBody)
	flipped[len(flipped)-1] ^= 1

	tests := []struct {
		name, id, timestamp string
		body                []byte
		genuine             bool
	}{
		{"as signed", testID, testTimestamp, testBody, true},
		{"another id", testID + "x", testTimestamp, testBody, false},
		{"an id in another case", strings.ToLower(testID), testTimestamp, testBody, false},
		{"a second later", testID, "1614265331", testBody, false},
		{"a bit of the body flipped", testID, testTimestamp, flipped, false},
		{"a byte appended", testID, testTimestamp, append(bytes.Clone(testBody), '\n'), false},
		{"the last byte dropped", testID, testTimestamp, testBody[:len(testBody)-1], false},
		{"no body", testID, testTimestamp, nil, false},
		{"the end of the id moved into the timestamp", testID[:len(testID)-1], testID[len(testID)-1:] + testTimestamp, testBody, false},
		{"the end of the timestamp moved into the body", testID, testTimestamp[:9], append([]byte("0"), testBody...), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := &Headers{ID: tt.id, Timestamp: tt.timestamp, Signatures: signatures}
			for _, secret := range []*Key{symmetric, public} {
				if _, err := Verify([]*Key{secret}, h, tt.body); (err == nil) != tt.genuine {
					t.Errorf("symmetric %v: error %v, want genuine %v", secret.Symmetric(), err, tt.genuine)
				}
			}
		})
	}
}

// A delivery whose body begins like "<timestamp>.…" must not pass as another
// one with a longer id: the full stop that would do it is refused in ids.
func TestSignedTextCannotBeSplitInAnotherWay(t *testing.T) {
	secret := hmacSecret(t, "split")
	body := []byte("1700000000.{}")
	signatures := signBySvix(t, secret.hmacKey, "msg", time.Unix(1614265330, 0), body)

	genuine, err := ParseHeaders(headerOf(SvixHeaders, "msg", "1614265330", signatures))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify([]*Key{secret}, &genuine, body); err != nil {
		t.Fatalf("as signed: %v", err)
	}

	other := headerOf(SvixHeaders, "msg.1614265330", "1700000000", signatures)
	if !secret.verify(&Headers{ID: "msg.1614265330", Timestamp: "1700000000", Signatures: signatures}, []byte("{}")) {
		t.Fatal("the other split does not even have the same signature")
	}
	if _, err := ParseHeaders(other); reasonOf(t, err) != MalformedHeader {
		t.Errorf("the other split: error %v, want %s", err, MalformedHeader)
	}
}

func TestVerifyBodiesOfAllSizes(t *testing.T) {
	symmetric := hmacSecret(t, "sizes")
	public, private := keyPair(t, "sizes")
	for _, size := range []int{0, 1, 63, 64, 65, 2 << 10, 250 << 10, 1 << 20} {
		body := bytes.Repeat([]byte{0, '\xff', '\n', '.'}, size/4+1)[:size]
		h := headersOf(signBySvix(t, symmetric.hmacKey, testID, testTime, body))
		if _, err := Verify([]*Key{symmetric}, h, body); err != nil {
			t.Errorf("v1, %d bytes: %v", size, err)
		}
		h = headersOf("v1a," + signEd25519(private, testID, testTimestamp, body))
		if _, err := Verify([]*Key{public}, h, body); err != nil {
			t.Errorf("v1a, %d bytes: %v", size, err)
		}
	}
}

func TestMismatchMessage(t *testing.T) {
	_, err := Verify([]*Key{hmacSecret(t, "message")}, headersOf("v1,"+wrongHMAC), testBody)
	const want = "the signature does not match this id, timestamp and body with any configured secret"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// Secrets are shared by all requests, and so are the states behind them: run
// with -race.
func TestVerifyConcurrently(t *testing.T) {
	symmetric := hmacSecret(t, "concurrent")
	public, private := keyPair(t, "concurrent")
	secrets := []*Key{public, symmetric}

	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := fmt.Sprintf("msg_%d_%d", worker, i)
				body := []byte(strings.Repeat(id, i+1))
				v1 := signBySvix(t, symmetric.hmacKey, id, testTime, body)
				v1a := "v1a," + signEd25519(private, id, testTimestamp, body)
				for signatures, want := range map[string]int{v1: 1, v1a: 0, "v1," + wrongHMAC: -1, v1 + " v2,x": 1} {
					h := &Headers{ID: id, Timestamp: testTimestamp, Signatures: signatures}
					if got, err := Verify(secrets, h, body); got != want {
						t.Errorf("%s: secret %d (%v), want %d", id, got, err, want)
					}
					if got, _ := Verify(secrets, h, append(body, '.')); got != -1 {
						t.Errorf("%s: secret %d verified another body", id, got)
					}
				}
			}
		})
	}
	wg.Wait()
}
