package signature

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

// stricter lists the deliveries that Svix's library may accept and this package
// must refuse.
var stricter = []struct {
	name, why string
	concerns  func(http.Header) bool
}{
	{
		"an incomplete svix-* set",
		"headers of both dialects are never mixed or chosen between: a backend behind could choose otherwise",
		func(h http.Header) bool {
			n := min(len(h["Svix-Id"]), 1) + min(len(h["Svix-Timestamp"]), 1) + min(len(h["Svix-Signature"]), 1)
			return n > 0 && n < 3
		},
	},
	{
		"an empty svix-* header",
		"as an incomplete set",
		func(h http.Header) bool {
			return len(h["Svix-Id"]) > 0 && h.Get("Svix-Id") == "" ||
				len(h["Svix-Timestamp"]) > 0 && h.Get("Svix-Timestamp") == "" ||
				len(h["Svix-Signature"]) > 0 && h.Get("Svix-Signature") == ""
		},
	},
	{
		"a header twice",
		"only the first would be verified, and a backend could read another",
		func(h http.Header) bool {
			id, timestamp, signatures := signedHeaders(h)
			return len(id) > 1 || len(timestamp) > 1 || len(signatures) > 1
		},
	},
	{
		"an id that is long, has a full stop or is not visible ASCII",
		"a full stop moves the borders of the signed parts; the rest has no place in keys and logs",
		func(h http.Header) bool {
			id, _, _ := signedHeaders(h)
			return first(id) != "" && !wellFormedID.MatchString(first(id))
		},
	},
	{
		"a timestamp with a sign, leading zeros or 19 digits",
		"Svix's library verifies the number, and a backend may read the text",
		func(h http.Header) bool {
			_, timestamp, _ := signedHeaders(h)
			return first(timestamp) != "" && !wellFormedTimestamp.MatchString(first(timestamp))
		},
	},
	{
		"more than 4096 bytes of signatures",
		"work that a sender chooses is bounded",
		func(h http.Header) bool {
			_, _, signatures := signedHeaders(h)
			return len(first(signatures)) > 4096
		},
	},
}

// signedHeaders returns the values of the dialect that counts.
func signedHeaders(h http.Header) (id, timestamp, signatures []string) {
	if len(h["Svix-Id"])+len(h["Svix-Timestamp"])+len(h["Svix-Signature"]) > 0 {
		return h["Svix-Id"], h["Svix-Timestamp"], h["Svix-Signature"]
	}
	return h["Webhook-Id"], h["Webhook-Timestamp"], h["Webhook-Signature"]
}

func first(values []string) string {
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// unfold writes a list of signatures with spaces between its entries only. That
// they may be separated by commas is the one way in which this package is laxer
// than Svix's library: a proxy may fold header lines, as RFC 9110 allows.
func unfold(list string) string {
	return strings.Join(listEntry.FindAllString(list, -1), " ")
}

// checkAgreement compares the verdict about a delivery with that of Svix's
// library, and returns whether it is genuine.
func checkAgreement(t *testing.T, secret *Key, header http.Header, body []byte) bool {
	t.Helper()
	webhook, err := svix.NewWebhookRaw(secret.hmacKey)
	if err != nil {
		t.Fatal(err)
	}
	accepted := func(h http.Header) bool { return webhook.VerifyIgnoringTimestamp(body, h) == nil }

	ours := false
	if h, err := ParseHeaders(header); err == nil {
		_, err = Verify([]*Key{secret}, &h, body)
		ours = err == nil
	}
	for _, exception := range stricter {
		if exception.concerns(header) {
			if ours {
				t.Fatalf("%q: %s is accepted, but: %s", header, exception.name, exception.why)
			}
			return false
		}
	}

	id, timestamp, signatures := signedHeaders(header)
	unfolded := accepted(headerOf(SvixHeaders, first(id), first(timestamp), unfold(first(signatures))))
	switch theirs := accepted(header); {
	case theirs && !ours:
		t.Fatalf("%q: Svix's library accepts it", header)
	case ours && !unfolded:
		t.Fatalf("%q: Svix's library refuses it, even unfolded", header)
	case !ours && unfolded:
		t.Fatalf("%q: Svix's library accepts it unfolded", header)
	case ours && !theirs && !strings.Contains(first(signatures), ",v1,"):
		t.Fatalf("%q: Svix's library refuses it, though it is not folded", header)
	}
	return ours
}

func TestStricterThanSvix(t *testing.T) {
	const otherID = "msg_other"
	secret := hmacSecret(t, "stricter")
	sign := func(id string, seconds int64) string {
		return signBySvix(t, secret.hmacKey, id, time.Unix(seconds, 0), testBody)
	}
	genuine := sign(testID, testTime.Unix())
	full := headerOf(StandardHeaders, testID, testTimestamp, genuine)

	tests := []struct {
		name      string
		header    http.Header
		exception string
	}{
		{"svix-id alone beside a genuine webhook-* set", merge(full, http.Header{"Svix-Id": {otherID}}), "an incomplete svix-* set"},
		{"svix-* without signature beside a genuine webhook-* set", merge(full, http.Header{"Svix-Id": {otherID}, "Svix-Timestamp": {"1"}}), "an incomplete svix-* set"},
		{"an empty svix-id beside a genuine webhook-* set", merge(full, headerOf(SvixHeaders, "", testTimestamp, genuine)), "an empty svix-* header"},
		{"an empty svix-timestamp beside a genuine webhook-* set", merge(full, headerOf(SvixHeaders, testID, "", genuine)), "an empty svix-* header"},
		{"an empty svix-signature beside a genuine webhook-* set", merge(full, headerOf(SvixHeaders, testID, testTimestamp, "")), "an empty svix-* header"},
		{"a second id", http.Header{"Svix-Id": {testID, otherID}, "Svix-Timestamp": {testTimestamp}, "Svix-Signature": {genuine}}, "a header twice"},
		{"a second timestamp", http.Header{"Svix-Id": {testID}, "Svix-Timestamp": {testTimestamp, "1"}, "Svix-Signature": {genuine}}, "a header twice"},
		{"a second line of signatures", http.Header{"Webhook-Id": {testID}, "Webhook-Timestamp": {testTimestamp}, "Webhook-Signature": {genuine, "v1,x"}}, "a header twice"},
		{"a full stop in the id", headerOf(SvixHeaders, "msg.1", testTimestamp, sign("msg.1", testTime.Unix())), "an id that is long, has a full stop or is not visible ASCII"},
		{"a space in the id", headerOf(SvixHeaders, "msg 1", testTimestamp, sign("msg 1", testTime.Unix())), "an id that is long, has a full stop or is not visible ASCII"},
		{"an id outside ASCII", headerOf(SvixHeaders, "msg_é", testTimestamp, sign("msg_é", testTime.Unix())), "an id that is long, has a full stop or is not visible ASCII"},
		{"an id of 257 characters", headerOf(SvixHeaders, strings.Repeat("a", 257), testTimestamp, sign(strings.Repeat("a", 257), testTime.Unix())), "an id that is long, has a full stop or is not visible ASCII"},
		{"a timestamp with a plus sign", headerOf(SvixHeaders, testID, "+"+testTimestamp, genuine), "a timestamp with a sign, leading zeros or 19 digits"},
		{"a timestamp with leading zeros", headerOf(SvixHeaders, testID, "00"+testTimestamp, genuine), "a timestamp with a sign, leading zeros or 19 digits"},
		{"a negative timestamp", headerOf(SvixHeaders, testID, "-1", sign(testID, -1)), "a timestamp with a sign, leading zeros or 19 digits"},
		{"a timestamp of zero", headerOf(SvixHeaders, testID, "0", sign(testID, 0)), "a timestamp with a sign, leading zeros or 19 digits"},
		{"a timestamp of 19 digits", headerOf(SvixHeaders, testID, "1000000000000000000", sign(testID, 1e18)), "a timestamp with a sign, leading zeros or 19 digits"},
		{"a genuine signature in front of 4 KB", headerOf(SvixHeaders, testID, testTimestamp, genuine+strings.Repeat(" ", 4096)), "more than 4096 bytes of signatures"},
	}
	tested := make(map[string]bool)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			webhook, err := svix.NewWebhookRaw(secret.hmacKey)
			if err != nil {
				t.Fatal(err)
			}
			if err := webhook.VerifyIgnoringTimestamp(testBody, tt.header); err != nil {
				t.Fatalf("Svix's library refuses it, so it is no exception: %v", err)
			}
			if _, err := ParseHeaders(tt.header); err == nil {
				t.Error("accepted")
			}
			for _, exception := range stricter {
				if exception.concerns(tt.header) {
					tested[exception.name] = true
					if exception.name != tt.exception {
						t.Errorf("it is %s", exception.name)
					}
				}
			}
		})
	}
	for _, exception := range stricter {
		if !tested[exception.name] {
			t.Errorf("no test shows that Svix's library accepts %s", exception.name)
		}
	}
}

func TestLaxerThanSvix(t *testing.T) {
	secret := hmacSecret(t, "laxer")
	genuine := signBySvix(t, secret.hmacKey, testID, testTime, testBody)
	for _, list := range []string{
		"v1," + wrongHMAC + "," + genuine,
		"v1," + wrongHMAC + ", v1a,x," + genuine,
		"v2,x,v1a,x," + genuine + ",v1,x",
		"," + genuine,
	} {
		header := headerOf(SvixHeaders, testID, testTimestamp, list)
		webhook, err := svix.NewWebhookRaw(secret.hmacKey)
		if err != nil {
			t.Fatal(err)
		}
		if webhook.VerifyIgnoringTimestamp(testBody, header) == nil {
			t.Errorf("%q: Svix's library accepts it too", list)
		}
		if !checkAgreement(t, secret, header, testBody) {
			t.Errorf("%q is refused", list)
		}
	}
}

// FuzzAgreesWithSvix puts the genuine signature where the list of signatures
// has "$". Two bits of counts say how often each header is given: svix-* in the
// lower six bits, then webhook-*, which get the same values.
func FuzzAgreesWithSvix(f *testing.F) {
	const svixOnly, standardOnly = 0b01_01_01, 0b01_01_01_00_00_00
	for _, list := range []string{
		"v1,$", "v1,x v1,$ v2,$", "v1,x,v1,$", "v1,x, v1,$", ",v1,$", "v1,$,", "v1,$,x", "v1,,$", "x,v1,$", "v1 v1,$", "v1a,$", "V1,$",
		"v1,$\t", "$", "v1,$$", "v1", "v1,", " ", "", "v1,\xff,v1,$", "v1,$" + strings.Repeat(" ", 4096),
	} {
		f.Add([]byte("a key of at least 24 bytes"), testID, testTimestamp, list, testBody, uint16(svixOnly))
		f.Add([]byte{}, testID, testTimestamp, list, []byte{}, uint16(standardOnly))
	}
	for _, timestamp := range []string{"1", "0", "-1", "+1614265330", "01614265330", "999999999999999999", "1000000000000000000", "9223372036854775808", "hello", "", " 1"} {
		f.Add([]byte{1}, testID, timestamp, "v1,$", []byte("{}"), uint16(svixOnly))
	}
	for _, id := range []string{"a", "a.1", "", " a", "é", "%s", strings.Repeat("a", 256), strings.Repeat("a", 257), "a\x00"} {
		f.Add([]byte{2}, id, testTimestamp, "v1,$", []byte("1.{}"), uint16(standardOnly))
	}
	for _, counts := range []uint16{0, 0b01_01_01_01_01_01, 0b01_01_01_00_00_01, 0b01_01_01_01_01_00, 0b10_01_01, 0b01_01_10_00_00_00, 0b01_01_01_10_01_01} {
		f.Add([]byte{3}, testID, testTimestamp, "v1,$", []byte("\xff\x00"), counts)
	}
	for _, v := range readVectors(f) {
		h := v.header()
		id, timestamp, signatures := signedHeaders(h)
		f.Add([]byte(v.Secret), first(id), first(timestamp), first(signatures)+" v1,$", []byte(v.Body), uint16(svixOnly))
	}

	f.Fuzz(func(t *testing.T, key []byte, id, timestamp, list string, body []byte, counts uint16) {
		key = append(bytes.Clone(key), make([]byte, max(1, minKeyLength-len(key)))...)
		key = append(key, 1) // so that the key is not one byte over and over
		secret, err := newHMACKey(base64.RawStdEncoding.EncodeToString(key))
		if err != nil {
			t.Fatal(err)
		}
		seconds, err := strconv.ParseInt(timestamp, 10, 64) // as Svix's library reads it
		if err == nil {
			genuine := strings.TrimPrefix(signBySvix(t, key, id, time.Unix(seconds, 0), body), "v1,")
			list = strings.ReplaceAll(list, "$", genuine)
		}
		header := make(http.Header)
		for i, h := range []struct{ name, value string }{
			{"Svix-Id", id},
			{"Svix-Timestamp", timestamp},
			{"Svix-Signature", list},
			{"Webhook-Id", id},
			{"Webhook-Timestamp", timestamp},
			{"Webhook-Signature", list},
		} {
			for range counts >> (2 * i) & 3 {
				header.Add(h.name, h.value)
			}
		}
		checkAgreement(t, secret, header, body)

		// What Svix signs, in form, is genuine; with anything else signed, it is not.
		if err != nil || !wellFormedID.MatchString(id) || !wellFormedTimestamp.MatchString(timestamp) {
			return
		}
		signed := headerOf(SvixHeaders, id, timestamp, signBySvix(t, key, id, time.Unix(seconds, 0), body))
		if !checkAgreement(t, secret, signed, body) {
			t.Fatalf("%q: Svix's library made it, and it is refused", signed)
		}
		if checkAgreement(t, secret, signed, append(bytes.Clone(body), 0)) {
			t.Fatalf("%q: accepted for another body", signed)
		}
	})
}
