package signature

import (
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestParseHeaders(t *testing.T) {
	const (
		sig               = "v1," + wrongHMAC
		namedInConnection = "the Connection header names one of the three headers, so a proxy would remove it"
	)
	tests := []struct {
		name   string
		header http.Header
		set    *HeaderSet // nil if refused
		reason Reason
		detail string
	}{
		{name: "svix-* is taken", header: headerOf(SvixHeaders, testID, testTimestamp, sig), set: SvixHeaders},
		{name: "webhook-* is taken", header: headerOf(StandardHeaders, testID, testTimestamp, sig), set: StandardHeaders},
		{
			name:   "svix-* comes before webhook-*",
			header: merge(headerOf(StandardHeaders, "other", "1", "v1,other"), headerOf(SvixHeaders, testID, testTimestamp, sig)),
			set:    SvixHeaders,
		},
		{
			name:   "an absent svix-* header with an empty list of values is absent",
			header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Svix-Id": {}}),
			set:    StandardHeaders,
		},

		{name: "no header at all", header: http.Header{}, reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "nil header", header: nil, reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "keys that are not canonical are not seen", header: http.Header{"svix-id": {testID}, "svix-timestamp": {testTimestamp}, "svix-signature": {sig}}, reason: MissingHeader, detail: "svix-id is missing or empty"},

		{name: "svix-id alone beside a full webhook-* set", header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Svix-Id": {testID}}), reason: MissingHeader, detail: "svix-timestamp is missing or empty"},
		{name: "svix-timestamp alone beside a full webhook-* set", header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Svix-Timestamp": {testTimestamp}}), reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "svix-signature alone beside a full webhook-* set", header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Svix-Signature": {sig}}), reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "an empty svix-id beside a full webhook-* set", header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Svix-Id": {""}}), reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "svix-* without signature, completed by webhook-signature", header: http.Header{"Svix-Id": {testID}, "Svix-Timestamp": {testTimestamp}, "Webhook-Signature": {sig}}, reason: MissingHeader, detail: "svix-signature is missing or empty"},

		{name: "svix-id empty", header: headerOf(SvixHeaders, "", testTimestamp, sig), reason: MissingHeader, detail: "svix-id is missing or empty"},
		{name: "svix-timestamp empty", header: headerOf(SvixHeaders, testID, "", sig), reason: MissingHeader, detail: "svix-timestamp is missing or empty"},
		{name: "svix-signature empty", header: headerOf(SvixHeaders, testID, testTimestamp, ""), reason: MissingHeader, detail: "svix-signature is missing or empty"},
		{name: "webhook-id missing", header: http.Header{"Webhook-Timestamp": {testTimestamp}, "Webhook-Signature": {sig}}, reason: MissingHeader, detail: "webhook-id is missing or empty"},
		{name: "webhook-timestamp missing", header: http.Header{"Webhook-Id": {testID}, "Webhook-Signature": {sig}}, reason: MissingHeader, detail: "webhook-timestamp is missing or empty"},
		{name: "webhook-signature missing", header: http.Header{"Webhook-Id": {testID}, "Webhook-Timestamp": {testTimestamp}}, reason: MissingHeader, detail: "webhook-signature is missing or empty"},

		{name: "svix-id twice", header: http.Header{"Svix-Id": {testID, "msg_other"}, "Svix-Timestamp": {testTimestamp}, "Svix-Signature": {sig}}, reason: MalformedHeader, detail: "svix-id is given more than once"},
		{name: "svix-id twice, the same", header: http.Header{"Svix-Id": {testID, testID}, "Svix-Timestamp": {testTimestamp}, "Svix-Signature": {sig}}, reason: MalformedHeader, detail: "svix-id is given more than once"},
		{name: "svix-id twice, empty first", header: http.Header{"Svix-Id": {"", testID}, "Svix-Timestamp": {testTimestamp}, "Svix-Signature": {sig}}, reason: MalformedHeader, detail: "svix-id is given more than once"},
		{name: "svix-timestamp twice", header: http.Header{"Svix-Id": {testID}, "Svix-Timestamp": {testTimestamp, "1"}, "Svix-Signature": {sig}}, reason: MalformedHeader, detail: "svix-timestamp is given more than once"},
		{name: "svix-signature twice", header: http.Header{"Svix-Id": {testID}, "Svix-Timestamp": {testTimestamp}, "Svix-Signature": {sig, sig}}, reason: MalformedHeader, detail: "svix-signature is given more than once"},
		{name: "webhook-id twice", header: http.Header{"Webhook-Id": {testID, testID}, "Webhook-Timestamp": {testTimestamp}, "Webhook-Signature": {sig}}, reason: MalformedHeader, detail: "webhook-id is given more than once"},
		{name: "webhook-timestamp twice", header: http.Header{"Webhook-Id": {testID}, "Webhook-Timestamp": {testTimestamp, "1"}, "Webhook-Signature": {sig}}, reason: MalformedHeader, detail: "webhook-timestamp is given more than once"},
		{name: "webhook-signature twice", header: http.Header{"Webhook-Id": {testID}, "Webhook-Timestamp": {testTimestamp}, "Webhook-Signature": {sig, sig}}, reason: MalformedHeader, detail: "webhook-signature is given more than once"},

		{name: "the longest signature list", header: headerOf(SvixHeaders, testID, testTimestamp, strings.Repeat("a", 4096)), set: SvixHeaders},
		{name: "a byte more than the longest signature list", header: headerOf(SvixHeaders, testID, testTimestamp, strings.Repeat("a", 4097)), reason: MalformedHeader, detail: "svix-signature is too long"},
		{name: "a byte more than the longest signature list, webhook-*", header: headerOf(StandardHeaders, testID, testTimestamp, strings.Repeat("a", 4097)), reason: MalformedHeader, detail: "webhook-signature is too long"},
		{name: "Connection names none of them", header: merge(headerOf(SvixHeaders, testID, testTimestamp, sig), http.Header{"Connection": {"keep-alive, svix, svix-id-2, webhook-id"}}), set: SvixHeaders},
		{name: "Connection names svix-id", header: merge(headerOf(SvixHeaders, testID, testTimestamp, sig), http.Header{"Connection": {"svix-id"}}), reason: MalformedHeader, detail: namedInConnection},
		{name: "Connection names svix-timestamp among others, in another case", header: merge(headerOf(SvixHeaders, testID, testTimestamp, sig), http.Header{"Connection": {"close,\tSVIX-Timestamp ,x"}}), reason: MalformedHeader, detail: namedInConnection},
		{name: "Connection names svix-signature in its second line", header: merge(headerOf(SvixHeaders, testID, testTimestamp, sig), http.Header{"Connection": {"close", "svix-signature"}}), reason: MalformedHeader, detail: namedInConnection},
		{name: "Connection names webhook-signature", header: merge(headerOf(StandardHeaders, testID, testTimestamp, sig), http.Header{"Connection": {"webhook-signature"}}), reason: MalformedHeader, detail: namedInConnection},
		{name: "a signature list that says nothing is left to the comparison", header: headerOf(SvixHeaders, testID, testTimestamp, " \x00é,"), set: SvixHeaders},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h, err := ParseHeaders(tt.header)
			if tt.set == nil {
				checkRefused(t, h, err, tt.reason, tt.detail)
				return
			}
			if err != nil {
				t.Fatalf("refused: %v", err)
			}
			want := Headers{ID: testID, Timestamp: testTimestamp, Time: testTime, Signatures: tt.header.Get(tt.set.Signature), Set: tt.set}
			if h != want {
				t.Errorf("got  %+v\nwant %+v", h, want)
			}
		})
	}
}

func merge(headers ...http.Header) http.Header {
	all := make(http.Header)
	for _, header := range headers {
		for name, values := range header {
			all[name] = values
		}
	}
	return all
}

func checkRefused(t *testing.T, h Headers, err error, reason Reason, detail string) {
	t.Helper()
	if got := reasonOf(t, err); got != reason {
		t.Fatalf("reason %q (%v), want %q", got, err, reason)
	}
	if detail != "" && err.Error() != detail {
		t.Errorf("error %q, want %q", err, detail)
	}
	if h != (Headers{}) {
		t.Errorf("headers %+v beside an error", h)
	}
}

func TestParseHeadersID(t *testing.T) {
	tests := []struct {
		name, id   string
		wellFormed bool
	}{
		{"Svix's own form", "msg_p5jXN8AQM9LWM0D4loKWxJek", true},
		{"a single character", "a", true},
		{"all visible ASCII but the full stop", "!\"#$%&'()*+,-/0123456789:;<=>?@AZ[\\]^_`az{|}~", true},
		{"the longest", strings.Repeat("a", 256), true},
		{"a byte more than the longest", strings.Repeat("a", 257), false},
		{"a full stop, which separates the signed parts", "msg.1614265330", false},
		{"only a full stop", ".", false},
		{"a full stop at the end", "msg.", false},
		{"a space", "msg 1", false},
		{"a space in front", " msg", false},
		{"a tab", "msg\t1", false},
		{"a line break", "msg\n1", false},
		{"NUL", "msg\x00", false},
		{"DEL", "msg\x7f", false},
		{"a letter outside ASCII", "msg_é", false},
		{"invalid UTF-8", "msg_\xff", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, set := range []*HeaderSet{SvixHeaders, StandardHeaders} {
				h, err := ParseHeaders(headerOf(set, tt.id, testTimestamp, "v1,"+wrongHMAC))
				if !tt.wellFormed {
					checkRefused(t, h, err, MalformedHeader, strings.ToLower(set.ID)+" is longer than 256 characters, or has a full stop or a character other than visible ASCII")
				} else if err != nil || h.ID != tt.id {
					t.Errorf("%s: id %q, error %v", set.ID, h.ID, err)
				}
			}
		})
	}
}

func TestParseHeadersTimestamp(t *testing.T) {
	tests := []struct {
		name, timestamp string
		wellFormed      bool
	}{
		{"Svix's own form", "1614265330", true},
		{"the first second of 1970 and one", "1", true},
		{"18 digits", "999999999999999999", true},
		{"19 digits", "1000000000000000000", false},
		{"the largest int64", "9223372036854775807", false},
		{"more than an int64 holds", "9223372036854775808", false},
		{"more digits than an uint64 holds, so that it could wrap around to now", "18446744075323816946", false},
		{"zero", "0", false},
		{"a leading zero", "01614265330", false},
		{"a plus sign", "+1614265330", false},
		{"a minus sign", "-1614265330", false},
		{"minus one", "-1", false},
		{"a space in front", " 1614265330", false},
		{"a space behind", "1614265330 ", false},
		{"a space inside", "16142 65330", false},
		{"a tab behind", "1614265330\t", false},
		{"an underscore, as Go writes numbers", "1_614_265_330", false},
		{"a comma", "1614265330,1614265330", false},
		{"a fraction", "1614265330.0", false},
		{"an exponent", "1614265e3", false},
		{"hexadecimal", "0x6037BD32", false},
		{"a letter behind", "1614265330a", false},
		{"not a number", "hello", false},
		{"Arabic-Indic digits", "١٦١٤٢٦٥٣٣٠", false},
		{"one full-width digit", "161426533０", false},
		{"the character after 9", "161426533:", false},
		{"the character before 0", "161426533/", false},
		{"invalid UTF-8", "161426533\xff", false},
		{"NUL", "1614265330\x00", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, set := range []*HeaderSet{SvixHeaders, StandardHeaders} {
				h, err := ParseHeaders(headerOf(set, testID, tt.timestamp, "v1,"+wrongHMAC))
				if !tt.wellFormed {
					checkRefused(t, h, err, MalformedHeader, strings.ToLower(set.Timestamp)+" is not a plain number of seconds since 1970")
				} else if err != nil || h.Timestamp != tt.timestamp || strconv.FormatInt(h.Time.Unix(), 10) != tt.timestamp {
					t.Errorf("%s: %q read as %d, error %v", set.Timestamp, h.Timestamp, h.Time.Unix(), err)
				}
			}
		})
	}
}

func TestCheckFreshness(t *testing.T) {
	const tolerance = 5 * time.Minute
	tests := []struct {
		name   string
		signed int64
		now    time.Time
		reason Reason
	}{
		{"signed now", 1614265330, time.Unix(1614265330, 0), ""},
		{"exactly the tolerance old", 1614265330, time.Unix(1614265630, 0), ""},
		{"a nanosecond older", 1614265330, time.Unix(1614265630, 1), TooOld},
		{"a second older", 1614265330, time.Unix(1614265631, 0), TooOld},
		{"exactly the tolerance ahead", 1614265330, time.Unix(1614265030, 0), ""},
		{"a nanosecond further ahead", 1614265330, time.Unix(1614265029, 999_999_999), TooNew},
		{"a second further ahead", 1614265330, time.Unix(1614265029, 0), TooNew},
		{"the earliest timestamp there is", 1, time.Unix(1614265330, 0), TooOld},
		{"so far ahead that no duration can hold it", 999999999999999999, time.Unix(1614265330, 0), TooNew},
		{"a clock at its zero value", 1614265330, time.Time{}, TooNew},
		{"a clock so late that no duration can hold it", 1, time.Unix(1<<60, 0), TooOld},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := Headers{Time: time.Unix(tt.signed, 0)}
			if got := reasonOf(t, h.CheckFreshness(tt.now, tolerance)); got != tt.reason {
				t.Errorf("reason %q, want %q", got, tt.reason)
			}
		})
	}
}

func TestFreshnessErrorsSayWhichWay(t *testing.T) {
	h := Headers{Time: testTime}
	for want, now := range map[string]time.Time{
		"the timestamp is older than the tolerance allows":                 testTime.Add(time.Hour),
		"the timestamp is further in the future than the tolerance allows": testTime.Add(-time.Hour),
	} {
		if err := h.CheckFreshness(now, time.Minute); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

var (
	wellFormedID        = regexp.MustCompile(`^[!-\-/-~]{1,256}$`)
	wellFormedTimestamp = regexp.MustCompile(`^[1-9][0-9]{0,17}$`)
)

// expectedReason says in other words what ParseHeaders does.
func expectedReason(h http.Header) Reason {
	names := []string{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
	if len(h["Svix-Id"])+len(h["Svix-Timestamp"])+len(h["Svix-Signature"]) == 0 {
		names = []string{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
	}
	for _, name := range names {
		if len(h[name]) > 1 {
			return MalformedHeader
		}
		if h.Get(name) == "" {
			return MissingHeader
		}
	}
	if !wellFormedID.MatchString(h.Get(names[0])) || !wellFormedTimestamp.MatchString(h.Get(names[1])) || len(h.Get(names[2])) > 4096 {
		return MalformedHeader
	}
	return ""
}

// FuzzParseHeaders gives each of the six headers a value, as often as two bits
// of counts say.
func FuzzParseHeaders(f *testing.F) {
	const svixOnly, standardOnly, both = 0b00_00_00_01_01_01, 0b01_01_01_00_00_00, 0b01_01_01_01_01_01
	f.Add(testID, testTimestamp, "v1,"+wrongHMAC, "", "", "", uint16(svixOnly))
	f.Add("", "", "", testID, testTimestamp, "v1,"+wrongHMAC, uint16(standardOnly))
	f.Add(testID, testTimestamp, "v1,"+wrongHMAC, "other", "1", "v2,x", uint16(both))
	f.Add(testID, testTimestamp, "v1,x", testID, testTimestamp, "v1,x", uint16(0b01_01_01_00_00_01))
	f.Add(testID, testTimestamp, "v1,x", "", "", "", uint16(0b00_00_00_01_01_10))
	f.Add("a.b", "0123", strings.Repeat("a", 4097), "é", "-1", " ", uint16(both))
	f.Add(strings.Repeat("a", 257), "9223372036854775808", "", "", "", "", uint16(svixOnly))
	f.Add("a", "١٦", ",", "a b", "18446744075323816946", "\x00", uint16(0))
	f.Fuzz(func(t *testing.T, id, timestamp, signatures, standardID, standardTimestamp, standardSignatures string, counts uint16) {
		header := make(http.Header)
		for i, h := range []struct{ name, value string }{
			{"Svix-Id", id},
			{"Svix-Timestamp", timestamp},
			{"Svix-Signature", signatures},
			{"Webhook-Id", standardID},
			{"Webhook-Timestamp", standardTimestamp},
			{"Webhook-Signature", standardSignatures},
		} {
			for range counts >> (2 * i) & 3 {
				header.Add(h.name, h.value)
			}
		}

		h, err := ParseHeaders(header)
		if got, want := reasonOf(t, err), expectedReason(header); got != want {
			t.Fatalf("%q: reason %q (%v), want %q", header, got, err, want)
		}
		if err != nil {
			if h != (Headers{}) {
				t.Fatalf("headers %+v beside an error", h)
			}
			return
		}
		want := Headers{ID: header.Get(h.Set.ID), Timestamp: header.Get(h.Set.Timestamp), Signatures: header.Get(h.Set.Signature), Set: h.Set, Time: h.Time}
		if h != want || strconv.FormatInt(h.Time.Unix(), 10) != h.Timestamp {
			t.Fatalf("got %+v\nof  %q", h, header)
		}
	})
}
