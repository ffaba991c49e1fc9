package inspector

import (
	"strings"
	"testing"
)

func TestFilterRefuses(t *testing.T) {
	rc := NewRecorder()
	for _, test := range []struct{ name, query string }{
		{"a long text", "text=" + strings.Repeat("x", 1001)},
		{"many types", strings.Repeat("type=*.created&", 101)},
		{"many of what nobody knows", strings.Repeat("outcome=&", 101)},
		{"a parameter that is none", "event=user.created"},
		{"a text in which a % is not escaped", "text=100%"},
		{"one that cannot be read beside others", "outcome=rejected&text=%zz"},
		{"a semicolon between", "outcome=rejected;reason=x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := rc.parseFilter(test.query, 1); err == nil {
				t.Error("it is taken")
			}
		})
	}
	if _, err := rc.parseFilter("text="+strings.Repeat("x", 1000)+strings.Repeat("&outcome=", 100), 1); err != nil {
		t.Errorf("as much as may be: %v", err)
	}
}
