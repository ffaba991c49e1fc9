package diagnosis

import (
	"strings"
	"testing"
)

func TestEachFindingSaysSomethingElse(t *testing.T) {
	d := delivered(t, `{"a":"<é","b":1}`)
	d.Body = []byte(`{"b": 1, "a": "\u003c\u00e9"}`)
	r := Diagnose(d)
	if got := codes(r.Findings); got != "json_spacing json_escaping json_key_order" {
		t.Fatalf("findings %s", got)
	}
	var all strings.Builder
	for _, f := range r.Findings {
		all.WriteString(f.Message + "\n")
	}
	for _, once := range []string{"parsed and encoded again", "white space", "escaped", "order", passOn} {
		if n := strings.Count(all.String(), once); n != 1 {
			t.Errorf("%q is said %d times:\n%s", once, n, all.String())
		}
	}
}
