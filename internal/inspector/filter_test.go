package inspector

import (
	"net/url"
	"strings"
	"testing"
)

func TestFilterRefusesTooMuch(t *testing.T) {
	rc := NewRecorder()
	for _, test := range []struct {
		name  string
		query url.Values
	}{
		{"a long text", url.Values{"text": {strings.Repeat("x", 1001)}}},
		{"many types", url.Values{"type": strings.Split(strings.Repeat("*.created ", 100)+"*", " ")}},
		{"many of what nobody knows", url.Values{"outcome": make([]string, 101)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := rc.parseFilter(test.query); err == nil {
				t.Error("it is taken")
			}
		})
	}
	if _, err := rc.parseFilter(url.Values{"text": {strings.Repeat("x", 1000)}, "outcome": make([]string, 100)}); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
}
