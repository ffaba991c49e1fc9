package event_test

import (
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// What JavaScript writes was taken from Node 20: node -p 'JSON.stringify(JSON.parse(…))'.
func TestCanonicalWritesWhatJavaScriptWrites(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"white space goes", "{ \"a\" : [ 1 ,\n\t2 ] , \"b\" : { } }", `{"a":[1,2],"b":{}}`},
		{"members keep their order", `{"b":1,"a":2}`, `{"b":1,"a":2}`},
		{"html is not escaped", `{"a":"<b>&</b>"}`, `{"a":"<b>&</b>"}`},
		{"escaped html is plain", `{"a":"\u003cb\u003E"}`, `{"a":"<b>"}`},
		{"an escaped slash is plain", `{"a":"\/"}`, `{"a":"/"}`},
		{"escaped letters are plain", `{"\u0061":"\u00e9"}`, `{"a":"é"}`},
		{"a pair of surrogates is one character", `{"a":"\ud834\udd1e"}`, `{"a":"𝄞"}`},
		{"half a pair stays escaped", `{"a":"\uD834","b":"\udd1e\ud834","c":"\ud834x"}`, `{"a":"\ud834","b":"\udd1e\ud834","c":"\ud834x"}`},
		{"control characters have one spelling", `{"a":"\u0008\u0009\u000A\u000c\u000D\u001F\u0000"}`, `{"a":"\b\t\n\f\r\u001f\u0000"}`},
		{"quotes and backslashes stay escaped", `{"a":"\u0022\u005c\"\\"}`, `{"a":"\"\\\"\\"}`},
		{"delete and line separators are plain", `{"a":"\u007f\u2028\u2029"}`, "{\"a\":\"\u007f\u2028\u2029\"}"},
		{"literals stay", `{"a":[true,false,null]}`, `{"a":[true,false,null]}`},
		{"whole numbers lose their point", `{"a":[1.0,-1.50,0.0]}`, `{"a":[1,-1.5,0]}`},
		{"minus zero is zero", `{"a":[-0,-0.0,0e5]}`, `{"a":[0,0,0]}`},
		{"exponents are written out up to 21 digits", `{"a":[1e3,1E+20,1e21,1.5e300]}`, `{"a":[1000,100000000000000000000,1e+21,1.5e+300]}`},
		{"small numbers have exponents from 1e-7", `{"a":[0.000001,0.0000001,1.25e-9,1e-10]}`, `{"a":[0.000001,1e-7,1.25e-9,1e-10]}`},
		{"the largest safe number stays", `{"a":9007199254740991}`, `{"a":9007199254740991}`},
		{"a name such as 01 is no index", `{"b":1,"01":2,"4294967295":3,"-1":4}`, `{"b":1,"01":2,"4294967295":3,"-1":4}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := event.Canonical([]byte(tt.in))
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			again, err := event.Canonical(got)
			if err != nil || string(again) != string(got) {
				t.Errorf("a second time: got %s, %v", again, err)
			}
		})
	}
}

func TestCanonicalRefusesWhatJavaScriptWouldChange(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no JSON", `{"a":}`, "not JSON"},
		{"nothing", ``, "not JSON"},
		{"more than one value", `{} {}`, "not JSON"},
		{"a byte order mark in front", "\ufeff{}", "begins with a byte order mark"},
		{"an array", `[1]`, "not a JSON object"},
		{"text that is not UTF-8", "{\"a\":\"\xff\"}", "not UTF-8"},
		{"a number with too many digits", `{"a":{"b":[12345678901234567890]}}`, "a.b.0: JavaScript would read 12345678901234567890 as 12345678901234567000"},
		{"a number that is too long", `{"a":1.` + strings.Repeat("3", 2000) + `}`, "a: 1.33333333333333333333333333333333333333… has more than 1100 characters"},
		{"a fraction with too many digits", `{"a":0.12345678901234567890}`, "a: JavaScript would read"},
		{"a number that is too large", `{"a":1e400}`, "too large"},
		{"a number that is too small", `{"a":1e-400}`, "too small"},
		{"a tiny number with an enormous exponent", `{"a":1e-999999999}`, "too small"},
		{"a member that is given twice", `{"a":1,"\u0061":2}`, "a is given twice"},
		{"a member whose name is an index", `{"b":1,"a":{"7":2}}`, "a.7: JavaScript moves"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := event.Canonical([]byte(tt.in)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v, want an error with %q", got, err, tt.want)
			}
		})
	}
}

func FuzzCanonicalIsStable(f *testing.F) {
	f.Add(`{"a":[1.50,"\u00e9\/",{"b":-0}]}`)
	f.Fuzz(func(t *testing.T, in string) {
		once, err := event.Canonical([]byte(in))
		if err != nil {
			return
		}
		if twice, err := event.Canonical(once); err != nil || string(twice) != string(once) {
			t.Errorf("%q becomes %q becomes %q, %v", in, once, twice, err)
		}
	})
}

func TestCanonicalRefusesWhatNestsTooDeep(t *testing.T) {
	nested := func(levels int) []byte {
		return []byte(`{"a":` + strings.Repeat("[", levels-1) + `"[[\"[["` + strings.Repeat("]", levels-1) + "}")
	}
	if _, err := event.Canonical(nested(1000)); err != nil {
		t.Error(err)
	}
	if _, err := event.Canonical(nested(1001)); err == nil {
		t.Error("1001 levels are accepted")
	}
}
