package diagnosis

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Bounds on the candidates for one header and for all three. A guard accepts a list
// of signatures of up to 4096 characters, and URL-encoding makes it longer.
const (
	maxHeaderLength     = 8192
	maxHeaderValues     = 16
	maxHeaderCandidates = 256
)

type header struct {
	name         string // for messages
	svix         string
	standard     string
	otherAttempt Code
	respellings  []headerRespelling
}

type headerRespelling struct {
	code  Code
	what  string
	apply func(value string) []string
}

var (
	idHeader = header{
		name: "id", svix: "Svix-Id", standard: "Webhook-Id", otherAttempt: IDOtherAttempt,
		respellings: []headerRespelling{
			{IDAltered, "has white space or quotation marks around it", unquote},
			{IDAltered, "is several values joined into one", unfold},
		},
	}
	timestampHeader = header{
		name: "timestamp", svix: "Svix-Timestamp", standard: "Webhook-Timestamp", otherAttempt: TimestampOtherAttempt,
		respellings: []headerRespelling{
			{TimestampAltered, "has white space or quotation marks around it", unquote},
			{TimestampAltered, "is several values joined into one", unfold},
			{TimestampFormat, "is not the number of seconds since 1970 that was signed: something on the way turns it into milliseconds, a fraction or a date", toSeconds},
		},
	}
	signatureHeader = header{
		name: "signature", svix: "Svix-Signature", standard: "Webhook-Signature", otherAttempt: SignatureOtherAttempt,
		respellings: []headerRespelling{
			{SignatureAltered, "has quotation marks around it", unquote},
			{SignatureAltered, "was URL-encoded on its way", unescape},
			{SignatureAltered, "was URL-decoded on its way, which turns + into a space", restorePlus},
			{SignatureAltered, "has lost its version: it must start with \"v1,\" or \"v1a,\"", restoreVersion},
			{SignatureAltered, "was rewritten as hexadecimal digits or in URL-safe base64, or has lost its padding: it must be base64 with +, / and =", restoreBase64},
		},
	}
)

// headerCandidates returns what the three headers may have been. The first candidate
// is what they are.
func headerCandidates(d Delivery, parsed signature.Headers) []candidate[signature.Headers] {
	standard := parsed.Set == signature.StandardHeaders || parsed.Set == nil && onlyStandard(d.Headers)
	ids := idHeader.values(d, standard)
	timestamps := timestampHeader.values(d, standard)
	signatures := signatureHeader.values(d, standard)

	var all []candidate[signature.Headers]
	for _, id := range ids {
		for _, timestamp := range timestamps {
			for _, sig := range signatures {
				h := signature.Headers{ID: id.value, Timestamp: timestamp.value, Signatures: sig.value, Set: parsed.Set}
				all = append(all, candidate[signature.Headers]{h, slices.Concat(id.fixes, timestamp.fixes, sig.fixes)})
			}
		}
	}
	sortByFixes(all)
	return all[:min(len(all), maxHeaderCandidates)]
}

func onlyStandard(h map[string][]string) bool {
	for _, hd := range []header{idHeader, timestampHeader, signatureHeader} {
		if len(h[hd.svix]) > 0 {
			return false
		}
	}
	return true
}

// values returns what the header's value may have been: first what it is, then the
// values of other headers, then what the respellings make of each.
func (hd header) values(d Delivery, standard bool) []candidate[string] {
	own, other := hd.svix, hd.standard
	if standard {
		own, other = other, own
	}
	c := &valueCollector{}
	lower := strings.ToLower(own)
	for i, value := range d.Headers[own] {
		if i == 0 {
			c.add(value)
			continue
		}
		c.add(value, proven(hd.otherAttempt, fmt.Sprintf("%s is given %d times, and the sender signed value number %d: take the headers from one request", lower, len(d.Headers[own]), i+1)))
	}
	for _, value := range d.Headers[other] {
		c.add(value, proven(hd.otherAttempt, fmt.Sprintf("the %s that was signed is in %s and not in %s: the two sets of headers are mixed up", hd.name, strings.ToLower(other), lower)))
	}
	for _, value := range renamed(d.Headers, hd) {
		c.add(value, proven(HeaderRenamed, fmt.Sprintf("%s arrived with another header name: pass it on with its own name", lower)))
	}
	for _, attempt := range d.OtherAttempts {
		attempt = canonical(attempt)
		for _, value := range append(attempt[hd.svix], attempt[hd.standard]...) {
			c.add(value, proven(hd.otherAttempt, fmt.Sprintf("the %s is from another delivery: take all three headers from the same request", hd.name)))
		}
	}
	for _, respell := range hd.respellings {
		for _, known := range c.values {
			for _, value := range respell.apply(known.value) {
				fixes := append(slices.Clone(known.fixes), proven(respell.code, lower+" "+respell.what))
				c.add(value, fixes...)
			}
		}
	}
	return c.values
}

type valueCollector struct{ values []candidate[string] }

func (c *valueCollector) add(value string, fixes ...Finding) {
	if value == "" || len(value) > maxHeaderLength || len(c.values) >= maxHeaderValues {
		return
	}
	if slices.ContainsFunc(c.values, func(v candidate[string]) bool { return v.value == value }) {
		return
	}
	c.values = append(c.values, candidate[string]{value, fixes})
}

func renamed(h map[string][]string, hd header) []string {
	var values []string
	for _, name := range slices.Sorted(maps.Keys(h)) {
		if name == hd.svix || name == hd.standard {
			continue
		}
		plain := strings.ToLower(strings.ReplaceAll(name, "_", "-"))
		for _, prefix := range []string{"http-", "x-"} {
			plain = strings.TrimPrefix(plain, prefix)
		}
		if plain == strings.ToLower(hd.svix) || plain == strings.ToLower(hd.standard) {
			values = append(values, h[name]...)
		}
	}
	return values
}

func unquote(value string) []string { return []string{strings.Trim(value, quotes+" \t\r\n")} }

func unfold(value string) []string {
	var values []string
	for part := range strings.SplitSeq(value, ",") {
		values = append(values, strings.TrimSpace(part))
	}
	return values
}

func toSeconds(value string) []string {
	if number, err := strconv.ParseFloat(value, 64); err == nil && number > 0 && number < 1e18 {
		seconds := int64(number)
		for seconds >= 1e11 { // milli-, micro-, nanoseconds
			seconds /= 1000
		}
		return []string{strconv.FormatInt(seconds, 10)}
	}
	for _, layout := range []string{time.RFC3339Nano, time.RFC1123, time.RFC1123Z, time.DateTime} {
		if at, err := time.Parse(layout, value); err == nil {
			return []string{strconv.FormatInt(at.Unix(), 10)}
		}
	}
	return nil
}

func unescape(value string) []string {
	if plain, err := url.PathUnescape(value); err == nil {
		return []string{plain}
	}
	return nil
}

// signatureStart matches the start of each entry in a list of signatures.
var signatureStart = regexp.MustCompile(`v1a?,`)

func restorePlus(value string) []string {
	var entries []string
	starts := signatureStart.FindAllStringIndex(value, -1)
	for i, start := range starts {
		end := len(value)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		entries = append(entries, strings.ReplaceAll(strings.TrimRight(value[start[0]:end], " "), " ", "+"))
	}
	return []string{strings.Join(entries, " ")}
}

func restoreVersion(value string) []string {
	if signatureStart.MatchString(value) {
		return nil
	}
	bare := strings.TrimSpace(value)
	for _, wrong := range []string{"v1=", "v1:", "V1,", "V1=", "sha256=", "v1"} {
		bare = strings.TrimPrefix(bare, wrong)
	}
	return []string{"v1," + bare, "v1a," + bare}
}

func restoreBase64(value string) []string {
	entries := strings.Fields(value)
	for i, entry := range entries {
		version, sig, _ := strings.Cut(entry, ",")
		if digest, err := hex.DecodeString(sig); err == nil && len(digest) > 0 {
			entries[i] = version + "," + base64.StdEncoding.EncodeToString(digest)
			continue
		}
		sig = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(sig, "="))
		sig += strings.Repeat("=", (4-len(sig)%4)%4)
		entries[i] = version + "," + sig
	}
	return []string{strings.Join(entries, " ")}
}
