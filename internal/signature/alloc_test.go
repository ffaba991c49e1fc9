//go:build !race

// The race detector makes sync.Pool forget at random, so allocations can only
// be counted without it.

package signature

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestAllocations(t *testing.T) {
	secret, other := hmacSecret(t, "allocations"), hmacSecret(t, "other")
	public, private := keyPair(t, "allocations")
	large := []byte(strings.Repeat("x", 250<<10))
	genuine := headersOf(signBySvix(t, secret.hmacKey, testID, testTime, testBody))
	genuineLarge := headersOf(signBySvix(t, secret.hmacKey, testID, testTime, large))
	forged := headersOf("v1," + wrongHMAC)
	full := headersOf(strings.Repeat("v1,"+wrongHMAC+" ", 85))
	asymmetric := headersOf("v1a," + signEd25519(private, testID, testTimestamp, testBody))

	verify := func(h *Headers, body []byte, secrets ...*Key) func() error {
		return func() error { _, err := Verify(secrets, h, body); return err }
	}
	parse := func(h http.Header) func() error {
		return func() error { _, err := ParseHeaders(h); return err }
	}
	fresh := func(now time.Time) func() error {
		return func() error { return genuine.CheckFreshness(now, time.Minute) }
	}
	sig := "v1," + wrongHMAC
	tests := []struct {
		name   string
		run    func() error
		reason Reason
		most   float64
	}{
		{"headers", parse(headerOf(SvixHeaders, testID, testTimestamp, sig)), "", 0},
		{"headers, webhook-*", parse(headerOf(StandardHeaders, testID, testTimestamp, sig)), "", 0},
		{"fresh", fresh(testTime), "", 0},
		{"genuine", verify(genuine, testBody, secret), "", 0},
		{"genuine and large", verify(genuineLarge, large, secret), "", 0},
		{"genuine by the second secret", verify(genuine, testBody, other, secret), "", 0},
		{"genuine, Ed25519: the signed text and its signature", verify(asymmetric, testBody, public), "", 2},

		{"no headers", parse(http.Header{}), MissingHeader, 3},
		{"a header missing", parse(http.Header{"Svix-Id": {testID}}), MissingHeader, 3},
		{"a header empty", parse(headerOf(SvixHeaders, testID, "", sig)), MissingHeader, 3},
		{"a header twice", parse(http.Header{"Svix-Id": {testID, testID}}), MalformedHeader, 3},
		{"a malformed id", parse(headerOf(SvixHeaders, "a.b", testTimestamp, sig)), MalformedHeader, 3},
		{"an id too long", parse(headerOf(SvixHeaders, strings.Repeat("a", 257), testTimestamp, sig)), MalformedHeader, 3},
		{"a malformed timestamp", parse(headerOf(SvixHeaders, testID, "x", sig)), MalformedHeader, 3},
		{"signatures too long", parse(headerOf(SvixHeaders, testID, testTimestamp, strings.Repeat("a", 4097))), MalformedHeader, 3},
		{"too old", fresh(testTime.Add(time.Hour)), TooOld, 0},
		{"too new", fresh(testTime.Add(-time.Hour)), TooNew, 0},
		{"forged", verify(forged, testBody, secret), Mismatch, 0},
		{"forged and large", verify(forged, large, secret), Mismatch, 0},
		{"forged, two secrets", verify(forged, testBody, secret, other), Mismatch, 0},
		{"forged, as many signatures as fit", verify(full, testBody, secret), Mismatch, 0},
		{"forged, no signature at all", verify(headersOf("junk"), testBody, secret), Mismatch, 0},
		{"forged, Ed25519 without a signature of its form", verify(headersOf("v1a,x v1,"+wrongHMAC), large, public), Mismatch, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := reasonOf(t, tt.run()); got != tt.reason {
				t.Fatalf("reason %q, want %q", got, tt.reason)
			}
			if got := testing.AllocsPerRun(200, func() { _ = tt.run() }); got > tt.most {
				t.Errorf("%v allocations, want at most %v", got, tt.most)
			}
		})
	}
}
