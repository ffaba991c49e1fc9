package inspector

import (
	"strings"
	"testing"
)

func TestInvalidFilters(t *testing.T) {
	rc := NewRecorder()
	for _, test := range []struct{ name, query string }{
		{"a long text", "text=" + strings.Repeat("x", 1001)},
		{"many types", strings.Repeat("type=*.created&", 101)},
		{"many empty outcomes", strings.Repeat("outcome=&", 101)},
		{"an unknown parameter", "event=user.created"},
		{"a % that is not escaped", "text=100%"},
		{"an escape that is not valid, after a valid parameter", "outcome=rejected&text=%zz"},
		{"a semicolon between parameters", "outcome=rejected;reason=x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := rc.parseFilter(test.query, 1); err == nil {
				t.Error("there is no error")
			}
		})
	}
	if _, err := rc.parseFilter("text="+strings.Repeat("x", 1000)+strings.Repeat("&outcome=", 100), 1); err != nil {
		t.Errorf("the most that is allowed: %v", err)
	}
}
