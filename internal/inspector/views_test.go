package inspector

import (
	"strings"
	"testing"
)

func TestBodyViewShowsWhereASyntaxErrorIs(t *testing.T) {
	for _, test := range []struct {
		text                 string
		valid                bool
		offset, line, column int
	}{
		{`{"a":1}`, true, 0, 0, 0},
		{`{"a":x}`, false, 5, 1, 6},
		{"{\n  \"é\": é}", false, 10, 2, 8},
		{"{\n\"a\": 1,\n}", false, 10, 3, 1},
		{`{"a":1`, false, 6, 1, 7},
		{``, false, 0, 1, 1},
		{`{} {}`, false, 3, 1, 4},
	} {
		t.Run(test.text, func(t *testing.T) {
			got := syntaxOf([]byte(test.text))
			if got.Valid != test.valid || got.Offset != test.offset || got.Line != test.line || got.Column != test.column || (got.Message == "") != test.valid {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestBodyViewLeavesOutACutCharacter(t *testing.T) {
	for _, text := range []string{"aé", "a€", "a😀", "ab"} {
		for end := 1; end <= len(text); end++ {
			v := body{state: cut, size: 100, data: []byte(text[:end])}.view()
			if len(v.Base64) > 0 || !strings.HasPrefix(text, v.Text) || v.Text == "" {
				t.Errorf("the first %d bytes of %q are shown as %q", end, text, v.Text)
			}
		}
	}
	if v := (body{state: cut, size: 100, data: []byte("a\xff\xff\xff\xff\xff")}).view(); v.Text != "" {
		t.Errorf("binary data is shown as %q", v.Text)
	}
}

func FuzzViews(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "GET", "X-A", "it's")
	f.Add([]byte("\xff\x00{}"), "POST", "Cookie", "\u202e")
	f.Fuzz(func(t *testing.T, data []byte, method, name, value string) {
		r := &Recording{
			request: request{method: method, host: "localhost", uri: "/?a=%zz&" + value, header: fields{{Name: name, Value: value}}, body: newBody(data, 100)},
			answer:  &answer{state: answered, status: 200, header: fields{{Name: name, Value: value}}, body: newBody(data, 10)},
		}
		for _, b := range []body{r.request.body, r.answer.body} {
			if v := b.view(); len(v.Text) > 0 && !strings.HasPrefix(string(data), v.Text) {
				t.Errorf("%q is shown as %q", data, v.Text)
			}
		}
		rc := NewRecorder()
		rc.add(r)
		rc.describe(r)
		rc.harEntry(r)
		curlCommand(r)
	})
}
