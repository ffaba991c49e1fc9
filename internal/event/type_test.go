package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"
	"unicode/utf8"
)

func TestTypeOf(t *testing.T) {
	longest := strings.Repeat("a", 256)
	tests := []struct {
		name, payload, want string // "" if there is no type
	}{
		{"last", `{"data":{"id":"user_1"},"object":"event","type":"user.created"}`, "user.created"},
		{"first", `{"type":"user.created","data":{"id":"user_1"},"object":"event"}`, "user.created"},
		{"in the middle", `{"object":"event","type":"user.created","data":{}}`, "user.created"},
		{"alone", `{"type":"user.created"}`, "user.created"},
		{"last, after a number", `{"timestamp":1654012591835,"type":"user.created"}`, "user.created"},
		{"last, after an array", `{"data":[{"type":"x"}],"type":"user.created"}`, "user.created"},
		{"white space everywhere", "\r\n\t {\n\t\"data\" : {\r\n} ,\n \"type\"\t:\r\n \"user.created\"\n}\r\n\t ", "user.created"},
		{"white space everywhere, type first", " {\n\"type\"\t:\r\n \"user.created\" , \"data\" : 1 } ", "user.created"},
		{"a space in the type", `{"type":" user.created "}`, " user.created "},
		{"a type that Clerk does not send", `{"type":"another sender's"}`, "another sender's"},
		{"a type outside ASCII", `{"type":"é"}`, "é"},

		{"only inside data", `{"data":{"type":"user.created"}}`, ""},
		{"only inside data, as the last member of both", `{"object":"event","data":{"id":1,"type":"user.created"} }`, ""},
		{"inside data and outside, data last", `{"type":"user.created","data":{"type":"user.deleted"}}`, "user.created"},
		{"inside data and outside, data first", `{"data":{"type":"user.deleted"},"type":"user.created"}`, "user.created"},
		{"inside an array", `{"data":[{"type":"user.deleted"}],"object":"event"}`, ""},
		{"inside an array at the top", `[{"type":"user.created"}]`, ""},
		{"in the text of a string", `{"data":"\"type\":\"user.deleted\"","object":"event"}`, ""},
		{"in the text of the last string", `{"object":",\"type\":\"user.deleted\""}`, ""},
		{"in the text of the last key", `{"x\",\"type":"user.deleted"}`, ""},
		{"in the text of a string before the last", `{"a":"\\\"type\":\"user.deleted\"}","type":"user.created"}`, "user.created"},
		{"as a value", `{"object":"type"}`, ""},
		{"as a value before a string", `{"a":"type","b":"user.deleted"}`, ""},
		{"as the end of a key", `{"mytype":"user.created"}`, ""},
		{"as the end of a key with an escaped quote", `{"my\"type":"user.created"}`, ""},
		{"as the beginning of a key", `{"types":"user.created"}`, ""},
		{"in capitals", `{"Type":"user.created"}`, ""},

		{"an escaped key", `{"ty\u0070e":"user.created"}`, "user.created"},
		{"an escaped key, not last", `{"\u0074\u0079\u0070\u0065":"user.created","a":1}`, "user.created"},
		{"an escaped key, repeated as a plain one", `{"type":"user.created","ty\u0070e":"user.deleted"}`, "user.deleted"},
		{"an escaped value", `{"type":"user\u002ecreated"}`, "user.created"},
		{"an escaped value, not last", `{"type":"user\u002ecreated","a":1}`, "user.created"},
		{"an escaped quote in the value", `{"type":"a\"b"}`, `a"b`},
		{"an escaped quote at the end of the value", `{"type":"a\""}`, `a"`},
		{"an escaped backslash at the end of the value", `{"type":"a\\"}`, `a\`},
		{"an escaped backslash and an escaped quote", `{"type":"a\\\""}`, `a\"`},
		{"an escaped slash", `{"type":"a\/b"}`, `a/b`},
		{"a surrogate pair", `{"type":"\ud83d\ude00"}`, "😀"},
		{"half a surrogate pair", `{"type":"\ud83da"}`, "\ufffda"},
		{"half a surrogate pair and another character escaped", `{"type":"\ud83d\u0061"}`, "\ufffda"},
		{"the last string before the type ends in a backslash", `{"a":"\\","type":"user.created"}`, "user.created"},
		{"the last string before the type ends in a quote", `{"a":"\"","type":"user.created"}`, "user.created"},

		{"repeated: the last counts", `{"type":"user.created","type":"user.deleted"}`, "user.deleted"},
		{"repeated: the last counts, also in the middle", `{"type":"user.created","a":1,"type":"user.deleted","b":2}`, "user.deleted"},
		{"repeated: the last is a number", `{"type":"user.created","type":1}`, ""},
		{"repeated: the last is null", `{"type":"user.created","type":null}`, ""},
		{"repeated: the last is empty", `{"type":"user.created","type":""}`, ""},
		{"repeated: the last is an object", `{"type":"user.created","type":{"type":"user.deleted"}}`, ""},
		{"repeated: the first is a number", `{"type":1,"type":"user.created"}`, "user.created"},

		{"null", `{"type":null}`, ""},
		{"a number", `{"type":1}`, ""},
		{"a boolean", `{"type":true}`, ""},
		{"an object", `{"type":{"type":"user.created"}}`, ""},
		{"an array", `{"type":["user.created"]}`, ""},
		{"an empty string", `{"type":""}`, ""},
		{"an empty string, not last", `{"type":"","a":1}`, ""},
		{"the longest", `{"type":"` + longest + `"}`, longest},
		{"the longest, not last", `{"type":"` + longest + `","a":1}`, longest},
		{"a byte more than the longest", `{"type":"` + longest + `a"}`, ""},
		{"a byte more than the longest, not last", `{"type":"` + longest + `a","a":1}`, ""},
		{"the longest, once unescaped", `{"type":"` + strings.Repeat(`\u0061`, 256) + `"}`, longest},

		{"no member", `{}`, ""},
		{"nothing", "", ""},
		{"only white space", " \r\n\t", ""},
		{"a byte order mark in front", "\ufeff" + `{"type":"user.created"}`, ""},
		{"a string", `"type"`, ""},
		{"a string that ends like an object", `"{\"type\":\"user.created\"}"`, ""},
		{"a number alone", `1`, ""},
		{"null alone", `null`, ""},
		{"an array alone", `["type","user.created"]`, ""},
		{"a form", `type=user.created`, ""},
		{"XML", `<type>user.created</type>`, ""},
		{"NUL bytes", "\x00\x00", ""},
		{"a closing brace", `}`, ""},
		{"an opening brace", `{`, ""},
		{"a quote and a brace", `"}`, ""},
		{"a member without its object", `"type":"user.created"}`, ""},
		{"a member without its quote", `type":"user.created"}`, ""},
		{"a member of something else", `["type":"user.created"}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			payload := []byte(tt.payload)
			got := TypeOf(payload)
			if string(got) != tt.want {
				t.Errorf("%s\nhas the type %q, want %q", tt.payload, got, tt.want)
			}
			if got != nil && len(got) == 0 {
				t.Error("an empty type is not nil")
			}
			if string(payload) != tt.payload {
				t.Error("the payload was changed")
			}
			if json.Valid(payload) && string(got) != decodedType(t, payload) {
				t.Errorf("encoding/json finds %q", decodedType(t, payload))
			}
		})
	}
}

func TestCutLastString(t *testing.T) {
	tests := []struct {
		name, text, content, rest string
		ok                        bool
	}{
		{"a string", `{"a":"b"`, "b", `{"a":`, true},
		{"white space behind it", "\"b\" \t\r\n", "b", "", true},
		{"an empty string", `:""`, "", ":", true},
		{"no string at the end", `"b",`, "", "", false},
		{"only its end", `b"`, "", "", false},
		{"nothing", "", "", "", false},
		{"an escape inside", `"a\nb"`, "", "", false},
		{"an escaped quote in front of its end", `"a\"b"`, "", "", false},
		{"an escaped quote at its end", `"a\""`, "", "", false},
		{"an escaped backslash at its end", `"a\\"`, "", "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content, rest, ok := cutLastString([]byte(tt.text))
			if string(content) != tt.content || string(rest) != tt.rest || ok != tt.ok {
				t.Errorf("%s: %q, %q, %v", tt.text, content, rest, ok)
			}
		})
	}
}

// Where there is no valid JSON there is no right answer, only one within bounds.
func TestTypeOfBrokenJSON(t *testing.T) {
	const payload = `{"data":{"type":"inner","id":"user_1\"\\"},"type":"user.created"}`
	for i := range len(payload) {
		for _, broken := range []string{payload[:i], payload[i:], payload[:i] + payload[i+1:], payload + payload[i:], payload[:i] + "\"" + payload[i:]} {
			if got := TypeOf([]byte(broken)); len(got) > 256 || got != nil && len(got) == 0 {
				t.Errorf("%s has the type %q", broken, got)
			}
		}
	}
}

func TestTypeOfTrailingJunk(t *testing.T) {
	for _, junk := range []string{"x", "}", "{}", "\x00", `"}`, `{"data":1}`} {
		if got := TypeOf([]byte(`{"type":"user.created"}` + junk)); len(got) > 0 && string(got) != "user.created" {
			t.Errorf("with %q behind it: %q", junk, got)
		}
	}
}

func TestTypeOfLastAllocatesNothing(t *testing.T) {
	payload := largePayload(250<<10, false)
	if got := testing.AllocsPerRun(100, func() { TypeOf(payload) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// decodedType is what TypeOf must find in valid JSON, read in another way.
func decodedType(t *testing.T, payload []byte) string {
	t.Helper()
	var members map[string]json.RawMessage
	if json.Unmarshal(payload, &members) != nil {
		return "" // no object
	}
	var eventType any
	if raw, ok := members["type"]; ok {
		if err := json.Unmarshal(raw, &eventType); err != nil {
			t.Fatal(err)
		}
	}
	if s, ok := eventType.(string); ok && len(s) <= 256 {
		return s
	}
	return ""
}

// TestTypeOfEveryShortObject tries all objects that can be put together from a
// few pieces, so that no way to quote or nest the type is forgotten.
func TestTypeOfEveryShortObject(t *testing.T) {
	pieces := []string{`"type"`, `"`, `type`, `\"`, `\\`, `:`, `,`, `{`, `}`, ` `, `1`}
	valid, typed := 0, 0
	var extend func(inside string, left int)
	extend = func(inside string, left int) {
		payload := []byte("{" + inside + "}")
		if json.Valid(payload) {
			valid++
			want := decodedType(t, payload)
			if want != "" {
				typed++
			}
			if got := TypeOf(payload); string(got) != want {
				t.Errorf("%s\nhas the type %q, encoding/json finds %q", payload, got, want)
			}
		}
		if left == 0 {
			return
		}
		for _, piece := range pieces {
			extend(inside+piece, left-1)
		}
	}
	extend("", 5)
	if valid != 93 || typed != 25 {
		t.Errorf("%d objects, %d of them with a type: want 93, 25", valid, typed)
	}
}

func FuzzTypeOf(f *testing.F) {
	for _, seed := range []string{
		`{"data":{"type":"inner"},"type":"user.created"}`, `{"type":"user.created","data":{"type":"inner"}}`, `{"ty\u0070e":"a","type":"b","type":null}`,
		`{"a":"\\","type":"\\\""}`, `{"a":",\"type\":\"x\"}"}`, `{"x\",\"type":"y"}`, ` { "type" : "a" } `, `[{"type":"a"}]`, `"{\"type\":\"a\"}"`, `{}`, `null`, "",
		`{"type":"\ud83d\u0061"}`, `{"type":"\ud83d\ude00","a":[[{}]]}`, `{"":"","type":""}`, `{"type":1e5,"b":-0.1,"c":true,"d":false,"e":null}`, `{"type":{"type":"a"}}`,
		`{"\\":"\\\\","\"type":"a"}`, `{"a":"{","type":"}"}`, `{"type":"a"}}`, `["type":"a"}`, "\ufeff{\"type\":\"a\"}", "{\"type\":\"a\x00\"}", "{\"type\":\"\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	for _, eventType := range Catalogue() {
		payload, _ := Example(eventType)
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		got := TypeOf(payload)
		if len(got) > 256 || got != nil && len(got) == 0 {
			t.Fatalf("%q has the type %q", payload, got)
		}
		if json.Valid(payload) && utf8.Valid(payload) && string(got) != decodedType(t, payload) {
			t.Fatalf("%s\nhas the type %q, encoding/json finds %q", payload, got, decodedType(t, payload))
		}
	})
}

// FuzzTypeOfObject builds valid objects of strings, numbers and nested objects,
// which fuzzing of bytes seldom reaches.
func FuzzTypeOfObject(f *testing.F) {
	f.Add("data", "x", "type", "user.created", uint8(0), " ")
	f.Add("type", "user.created", "type", `a"b\`, uint8(1), "\n")
	f.Add(`x","type`, `","type":"y`, "\\", `\"`, uint8(2), "\t")
	f.Add("type", "\xf0\x9f", "type\x00", "}", uint8(3), "")
	f.Fuzz(func(t *testing.T, firstKey, firstValue, lastKey, lastValue string, shape uint8, space string) {
		if strings.Trim(space, " \t\r\n") != "" {
			space = " "
		}
		quoted := func(s string, escapeAll bool) string {
			if escapeAll {
				return escape(s)
			}
			b, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return string(b)
		}
		member := func(key, value string, bits uint8) string {
			text := quoted(value, bits&1 != 0)
			if bits&2 != 0 {
				text = "{" + quoted("type", false) + ":" + text + "}"
			}
			if bits&4 != 0 {
				text = "[" + text + "]"
			}
			return space + quoted(key, bits&8 != 0) + space + ":" + space + text + space
		}
		payload := []byte(space + "{" + member(firstKey, firstValue, shape) + "," + member(lastKey, lastValue, shape>>4) + "}" + space)
		if !json.Valid(payload) {
			t.Fatalf("%s is not JSON", payload)
		}
		if got, want := TypeOf(payload), decodedType(t, payload); string(got) != want {
			t.Fatalf("%s\nhas the type %q, encoding/json finds %q", payload, got, want)
		}
	})
}

// escape writes a JSON string with each UTF-16 unit escaped.
func escape(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, unit := range utf16.Encode([]rune(s)) {
		fmt.Fprintf(&b, `\u%04x`, unit)
	}
	b.WriteByte('"')
	return b.String()
}

// largePayload returns a payload of about size bytes as Clerk would send it.
func largePayload(size int, typeFirst bool) []byte {
	user, _ := Example("user.created")
	var compact bytes.Buffer
	_ = json.Compact(&compact, user)
	data := strings.Repeat(compact.String()+",", size/compact.Len())
	data = `"data":[` + strings.TrimSuffix(data, ",") + `]`
	if typeFirst {
		return []byte(`{"type":"user.created",` + data + `}`)
	}
	return []byte(`{` + data + `,"type":"user.created"}`)
}

func TestClaimedTypeReadsLittle(t *testing.T) {
	long := `"data":"` + strings.Repeat("x", 32<<10) + `"`
	for name, test := range map[string]struct{ payload, want string }{
		"first":                      {`{"type":"user.created",` + long + `}`, "user.created"},
		"last":                       {`{` + long + `,"type":"user.created"}`, "user.created"},
		"too far from the beginning": {`{` + long + `,"type":"user.created","a":1}`, ""},
	} {
		if got := string(ClaimedType([]byte(test.payload))); got != test.want {
			t.Errorf("%s: got %q, want %q", name, got, test.want)
		}
	}
}

func BenchmarkTypeOf(b *testing.B) {
	for name, typeFirst := range map[string]bool{"250KB,type=last": false, "250KB,type=first": true} {
		b.Run(name, func(b *testing.B) {
			payload := largePayload(250<<10, typeFirst)
			b.SetBytes(int64(len(payload)))
			b.ReportAllocs()
			for b.Loop() {
				if len(TypeOf(payload)) == 0 {
					b.Fatal("no type")
				}
			}
		})
	}
}
