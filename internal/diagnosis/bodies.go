package diagnosis

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"hash/maphash"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// bodyCandidates returns what the body may have been when it was signed. The first
// candidate is what it is. All candidates together have at most limit bytes.
func bodyCandidates(d Delivery, limit int) []candidate[[]byte] {
	c := &bodyCollector{left: limit, seen: make(map[uint64]bool), seed: maphash.MakeSeed()}
	c.add(d.Body)
	for _, unwrapped := range unwrappings(d) {
		c.add(unwrapped.value, unwrapped.fixes...)
	}
	for _, body := range c.bodies {
		for _, plain := range decompressions(body.value, d.Headers) {
			c.add(plain.value, slices.Concat(body.fixes, plain.fixes)...)
		}
	}
	for _, body := range c.bodies {
		for _, form := range textForms(body.value) {
			c.add(form.value, slices.Concat(body.fixes, form.fixes)...)
		}
	}
	for _, body := range c.bodies {
		if len(body.fixes) > 1 || endsOnlyDiffer(body) {
			continue
		}
		eachEncoding(body.value, func(encoded []byte, fixes ...Finding) bool {
			return c.add(encoded, slices.Concat(body.fixes, fixes)...)
		})
	}
	return c.bodies
}

// endsOnlyDiffer reports whether the candidate differs from the received body only in
// line ends. Then both have the same JSON encodings.
func endsOnlyDiffer(body candidate[[]byte]) bool {
	return slices.ContainsFunc(body.fixes, func(f Finding) bool {
		return f.Code == BodyNewlineAdded || f.Code == BodyNewlineLost || f.Code == BodyLineEnds
	})
}

type bodyCollector struct {
	bodies []candidate[[]byte]
	left   int
	seed   maphash.Seed
	seen   map[uint64]bool
}

func (c *bodyCollector) add(body []byte, fixes ...Finding) bool {
	if len(body) > c.left {
		return false
	}
	hash := maphash.Bytes(c.seed, body)
	if c.seen[hash] {
		return true
	}
	c.seen[hash] = true
	c.left -= len(body)
	c.bodies = append(c.bodies, candidate[[]byte]{body, fixes})
	return true
}

// unwrappings returns what the body may have been before something changed it as a
// whole.
func unwrappings(d Delivery) []candidate[[]byte] {
	var all []candidate[[]byte]
	add := func(body []byte, ok bool, code Code, message string) {
		if ok && len(body) <= maxBody {
			all = append(all, candidate[[]byte]{body, []Finding{proven(code, message)}})
		}
	}
	body := d.Body

	plain, hasBOM := bytes.CutPrefix(body, bom)
	add(plain, hasBOM, BodyBOM, "something added a byte order mark (EF BB BF) in front of the body: save or pass on the body without this mark")
	add(slices.Concat(bom, body), !hasBOM, BodyBOM, "something removed the byte order mark (EF BB BF) in front of the body: pass on the bytes that were received")

	decoded, ok := fromUTF16(body)
	add(decoded, ok, BodyCharset, "the body was converted to UTF-16 (as > does in older PowerShell): pass on the bytes that were received")
	for _, charset := range []*charmap.Charmap{charmap.Windows1252, charmap.ISO8859_1} {
		undone, err := charset.NewEncoder().Bytes(body)
		add(undone, err == nil && !isASCII(body), BodyCharset, "the body was decoded as "+charset.String()+" and encoded again as UTF-8: decode it as UTF-8, or pass on the bytes that were received")
		utf, err := charset.NewDecoder().Bytes(body)
		add(utf, err == nil && !utf8.Valid(body), BodyCharset, "the body was converted from UTF-8 to "+charset.String()+": pass on the bytes that were received")
	}

	text, ok := fromJSONString(body)
	add(text, ok, BodyJSONString, "the body was encoded as a JSON string (JSON.stringify of text): pass on the bytes that were received")
	raw, ok := fromBase64(body)
	add(raw, ok, BodyBase64, "the body is in base64, as serverless gateways pass it on (isBase64Encoded): decode it first")

	if length, ok := contentLength(d.Headers); ok && length < len(body) {
		add(body[:length], true, BodySurplus, "the body is longer than Content-Length says: something added bytes at its end")
	}
	value, ok := firstJSON(body)
	add(value, ok, BodySurplus, "the body has extra text after its JSON, and the sender did not send that text")
	return all
}

var bom = []byte("\xef\xbb\xbf")

func isASCII(body []byte) bool {
	return bytes.IndexFunc(body, func(r rune) bool { return r >= utf8.RuneSelf }) < 0
}

func fromUTF16(body []byte) (decoded []byte, ok bool) {
	little, isLittle := bytes.CutPrefix(body, []byte{0xff, 0xfe})
	big, isBig := bytes.CutPrefix(body, []byte{0xfe, 0xff})
	if !isLittle && !isBig || len(body)%2 != 0 {
		return nil, false
	}
	units := make([]uint16, 0, len(body)/2)
	for i := 0; i+1 < len(little) && isLittle; i += 2 {
		units = append(units, uint16(little[i])|uint16(little[i+1])<<8)
	}
	for i := 0; i+1 < len(big) && isBig; i += 2 {
		units = append(units, uint16(big[i])<<8|uint16(big[i+1]))
	}
	return []byte(string(utf16.Decode(units))), true
}

func fromJSONString(body []byte) (text []byte, ok bool) {
	var s string
	if err := json.Unmarshal(body, &s); err != nil {
		return nil, false
	}
	return []byte(s), true
}

func fromBase64(body []byte) (raw []byte, ok bool) {
	text := strings.TrimRight(strings.TrimSpace(string(body)), "=")
	raw, err := base64.RawStdEncoding.DecodeString(text)
	return raw, err == nil && len(raw) > 0
}

func contentLength(h map[string][]string) (length int, ok bool) {
	values := h["Content-Length"]
	if len(values) == 0 {
		return 0, false
	}
	length, err := strconv.Atoi(strings.TrimSpace(values[0]))
	return length, err == nil && length >= 0
}

func firstJSON(body []byte) (value []byte, ok bool) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var raw json.RawMessage
	if err := decoder.Decode(&raw); err != nil {
		return nil, false
	}
	end := int(decoder.InputOffset())
	return body[:end], len(bytes.TrimSpace(body[end:])) > 0
}

// textForms returns what the body may have been before a text tool changed its line
// ends.
func textForms(body []byte) []candidate[[]byte] {
	var all []candidate[[]byte]
	add := func(form []byte, code Code, message string) {
		all = append(all, candidate[[]byte]{form, []Finding{proven(code, message)}})
	}
	const added = "a line end was added to the body, as editors, echo and here-documents do: pass on the bytes that were received"
	const lost = "the line end at the end of the body was removed: pass on the bytes that were received"
	const lineEnds = "the line ends of the body were converted (LF and CRLF): pass on the bytes that were received"

	withLF := bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))
	add(bytes.TrimSuffix(bytes.TrimSuffix(body, []byte("\n")), []byte("\r")), BodyNewlineAdded, added)
	add(bytes.TrimRight(body, " \t\r\n"), BodyNewlineAdded, added)
	add(slices.Concat(body, []byte("\n")), BodyNewlineLost, lost)
	add(slices.Concat(body, []byte("\r\n")), BodyNewlineLost, lost)
	add(withLF, BodyLineEnds, lineEnds)
	add(bytes.ReplaceAll(withLF, []byte("\n"), []byte("\r\n")), BodyLineEnds, lineEnds)
	add(bytes.ReplaceAll(body, []byte("\r"), []byte("\n")), BodyLineEnds, lineEnds)
	return all
}
