package event

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestTrail(t *testing.T) {
	root := (*trail)(nil)
	long := root.member("data").member(strings.Repeat("é", 1000)).element(3)
	for _, tt := range []struct {
		trail *trail
		want  string
	}{
		{root, ""},
		{root.member("data"), "data"},
		{root.member("data").member("emails").element(0).member("id"), "data.emails.0.id"},
		{root.element(7), "7"},
		{root.member("").member("a"), ".a"},
		{long, "data." + strings.Repeat("é", (maxTrail-5)/2) + "…"},
	} {
		if got := tt.trail.String(); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

// Names and lists that are long must not cost as much as their product.
func TestLongNamesOfLongListsTakeLittleMemory(t *testing.T) {
	name := strings.Repeat("k", 100_000)
	list := func(last int) []byte {
		return []byte(`{"` + name + `":[` + strings.Repeat("1,", 20_000) + strconv.Itoa(last) + `]}`)
	}
	nested := func(last int) []byte {
		part := `{"` + name[:10_000] + `":`
		return []byte(strings.Repeat(part, 40) + strconv.Itoa(last) + strings.Repeat("}", 40))
	}
	for what, do := range map[string]func() error{
		"Canonical of a list":           func() error { _, err := Canonical(list(1)); return err },
		"Canonical of nested objects":   func() error { _, err := Canonical(nested(1)); return err },
		"Diff of lists":                 func() error { _, err := Diff(list(1), list(2)); return err },
		"Diff of nested objects":        func() error { _, err := Diff(nested(1), nested(2)); return err },
		"Diff of lists that are longer": func() error { _, err := Diff([]byte(`{"`+name+`":[]}`), list(2)); return err },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := do()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; err != nil || used > 60<<20 {
			t.Errorf("%s takes %d MiB: %v", what, used>>20, err)
		}
	}
}
