package event

import (
	"bytes"
	"encoding/json"

	"github.com/tidwall/gjson"
)

// maxTypeLength is the length of the longest type, in bytes. Svix allows 256
// characters.
const maxTypeLength = 256

var typeKey = []byte("type")

// TypeOf returns the value of the top-level member "type" of a JSON object. It returns
// nil if payload is not an object, has no such member, or the value is not a string
// of 1 to 256 bytes. If the member is repeated the last one counts, as in JSON.parse
// and encoding/json. So a filter and the backend behind it see the same type.
//
// The payload must come from a trusted sender. TypeOf does not check that it is valid
// JSON. For invalid JSON the result may be any string in it. The result may share
// memory with payload.
func TypeOf(payload []byte) []byte { return typeOf(payload, payload) }

// ClaimedType is TypeOf for a payload from anybody. If the type is not the last member,
// it must be in the first 32 KiB.
func ClaimedType(payload []byte) []byte {
	return typeOf(payload, payload[:min(len(payload), maxClaimRead)])
}

func typeOf(payload, head []byte) []byte {
	value, decided := lastMember(payload)
	if !decided {
		value = searchType(head)
	}
	if len(value) == 0 || len(value) > maxTypeLength {
		return nil
	}
	return value
}

// lastMember reads the last member of the object from its end. Clerk puts the type
// there. As the last member of that name counts, the rest need not be read, which
// would take a good part of the time of the HMAC. In valid JSON a string can be read
// backwards: it ends at the last quote, and starts at the next quote before it that
// has no backslash in front.
//
// decided is false if the last member is not a plain string called "type".
func lastMember(payload []byte) (value []byte, decided bool) {
	rest, ok := cutLast(payload, '}')
	if !ok {
		return nil, false
	}
	if value, rest, ok = cutLastString(rest); !ok {
		return nil, false
	}
	if rest, ok = cutLast(rest, ':'); !ok {
		return nil, false
	}
	key, rest, ok := cutLastString(rest)
	if !ok || !bytes.Equal(key, typeKey) || !opensObject(payload) {
		return nil, false
	}
	rest = trimSpace(rest)
	return value, len(rest) > 0 && (rest[len(rest)-1] == ',' || rest[len(rest)-1] == '{')
}

func opensObject(payload []byte) bool {
	for len(payload) > 0 && isSpace(payload[0]) {
		payload = payload[1:]
	}
	return len(payload) > 0 && payload[0] == '{'
}

// trimSpace cuts JSON's white space off the end of b. It runs four times for each
// delivery, and bytes.TrimRight would make a set of the characters each time.
func trimSpace(b []byte) []byte {
	for len(b) > 0 && isSpace(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

func cutLast(b []byte, c byte) (rest []byte, ok bool) {
	b = trimSpace(b)
	if len(b) == 0 || b[len(b)-1] != c {
		return nil, false
	}
	return b[:len(b)-1], true
}

// cutLastString cuts a string without escapes off the end of b.
func cutLastString(b []byte) (content, rest []byte, ok bool) {
	b, ok = cutLast(b, '"')
	if !ok {
		return nil, nil, false
	}
	open := bytes.LastIndexByte(b, '"')
	if open < 0 {
		return nil, nil, false
	}
	content = b[open+1:]
	if bytes.IndexByte(content, '\\') >= 0 || open > 0 && b[open-1] == '\\' {
		return nil, nil, false
	}
	return content, b[:open], true
}

func searchType(payload []byte) (value []byte) {
	if !opensObject(payload) {
		return nil
	}
	return decodeString(TypeMember(payload))
}

// TypeMember returns the value of the top-level member "type" of a JSON object, of any
// kind, with its index in payload. If there are several, it is the last.
func TypeMember(payload []byte) (last gjson.Result) {
	gjson.ParseBytes(payload).ForEach(func(key, member gjson.Result) bool {
		if key.Str == string(typeKey) {
			last = member
		}
		return true
	})
	return last
}

// decodeString returns the text of a JSON string, and nil for any other value. It does
// not use gjson's text, which lacks the character after half of a surrogate pair.
func decodeString(member gjson.Result) []byte {
	var text string
	if err := json.Unmarshal([]byte(member.Raw), &text); err != nil {
		return nil
	}
	return []byte(text)
}
