package event

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

func TestDiff(t *testing.T) {
	for _, tt := range []struct {
		name, before, after string
		want                []Change
	}{
		{"nothing", `{"a":1}`, `{"a":1}`, nil},
		{"white space, order and spelling", `{"a":1,"b":"é"}`, "{ \"b\": \"\\u00e9\",\n\"a\": 1 }", nil},
		{"a changed value", `{"data":{"a":1}}`, `{"data":{"a":2}}`, []Change{{"data.a", "changed", "1", "2"}}},
		{"a long number", `{"a":12345678901234567890}`, `{"a":12345678901234567891}`, []Change{{"a", "changed", "12345678901234567890", "12345678901234567891"}}},
		{"another kind of value", `{"a":{"b":1}}`, `{"a":"b"}`, []Change{{"a", "changed", `{"b":1}`, `"b"`}}},
		{"added and removed members", `{"a":1,"c":null}`, `{"b":[1],"c":null}`, []Change{{"b", "added", "", "[1]"}, {"a", "removed", "1", ""}}},
		{"a list", `{"a":[1,2]}`, `{"a":[1,3,4]}`, []Change{{"a.1", "changed", "2", "3"}, {"a.2", "added", "", "4"}}},
		{"a shorter list", `{"a":[1,2]}`, `{"a":[1]}`, []Change{{"a.1", "removed", "2", ""}}},
		{
			"an element in front of others with ids", `{"a":[{"id":"x","v":1},{"id":"y","v":1}]}`, `{"a":[{"id":"z"},{"id":"x","v":2}]}`,
			[]Change{{"a.0", "added", "", `{"id":"z"}`}, {"a.1.v", "changed", "1", "2"}, {"a.1", "removed", `{"id":"y","v":1}`, ""}},
		},
		{"two elements with one id", `[{"id":"x","v":1},{"id":"x"}]`, `[{"id":"x","v":2},{"id":"x"}]`, []Change{{"0.v", "changed", "1", "2"}}},
		{"elements without an id", `[{"id":""}]`, `[{"id":"x"}]`, []Change{{"0.id", "changed", `""`, `"x"`}}},
		{"a name with a dot", `{"a.b":{"c":1}}`, `{"a.b":{"c":2}}`, []Change{{`a\.b.c`, "changed", "1", "2"}}},
		{"a repeated member", `{"a":1}`, `{"a":1,"a":2}`, []Change{{"a", "changed", "1", "2"}}},
		{"the whole payload", `1`, `2`, []Change{{"", "changed", "1", "2"}}},
		{"a long value", `{}`, `{"a":"` + strings.Repeat("é", 200) + `"}`, []Change{{"a", "added", "", `"` + strings.Repeat("é", 99) + "…"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Diff([]byte(tt.before), []byte(tt.after))
			if err != nil || got.More || len(got.List)+len(tt.want) > 0 && !reflect.DeepEqual(got.List, tt.want) {
				t.Errorf("got %q, more: %v, %v\nwant %q", got.List, got.More, err, tt.want)
			}
			for _, change := range got.List {
				value := gjson.Get(tt.after, change.Path)
				if change.Kind != "removed" && change.Path != "" && tt.name != "a repeated member" && !strings.HasPrefix(value.Raw, strings.TrimSuffix(change.After, "…")) {
					t.Errorf("the path %s leads to %s", change.Path, value.Raw)
				}
			}
		})
	}
}

func TestDiffIsBounded(t *testing.T) {
	var before, after strings.Builder
	for i := range 101 {
		fmt.Fprintf(&before, `,"m%d":1`, i)
		fmt.Fprintf(&after, `,"m%d":2`, i)
	}
	got, err := Diff([]byte("{"+before.String()[1:]+"}"), []byte("{"+after.String()[1:]+"}"))
	if err != nil || len(got.List) != 100 || !got.More {
		t.Errorf("%d changes, more: %v, %v", len(got.List), got.More, err)
	}
	deep := func(inner string) []byte {
		return []byte(strings.Repeat("[", 900) + inner + strings.Repeat("]", 900))
	}
	if got, err := Diff(deep("1"), deep("2")); err != nil || len(got.List) != 1 || strings.Count(got.List[0].Path, ".") != maxChangeDepth-1 {
		t.Errorf("got %+v, %v", got, err)
	}
	for _, payload := range []string{``, `{"a":`, strings.Repeat("[", 1<<20)} {
		if _, err := Diff([]byte(payload), []byte(`{}`)); !errors.Is(err, ErrNoJSON) {
			t.Errorf("the error is %v", err)
		}
	}
}

func TestChangesWithinAMember(t *testing.T) {
	got, err := Diff([]byte(`{"data":{"a":1},"database":1,"timestamp":1}`), []byte(`{"data":{"a":2},"database":2,"timestamp":2}`))
	if within := got.Within("data").List; err != nil || len(within) != 1 || within[0].Path != "data.a" {
		t.Errorf("got %v, %v", within, err)
	}
}

func FuzzDiff(f *testing.F) {
	created, _ := Example("user.created")
	updated, _ := Example("user.updated")
	f.Add(created, updated)
	f.Add([]byte(`{"a":[{"id":"x"},{"id":"y"}]}`), []byte(`{"a":[{"id":"y","a.b":"\ud800"}]}`))
	f.Fuzz(func(t *testing.T, before, after []byte) {
		forwards, err := Diff(before, after)
		backwards, _ := Diff(after, before)
		if err == nil && (len(forwards.List) == 0) != (len(backwards.List) == 0) {
			t.Errorf("got %v, and %v backwards", forwards, backwards)
		}
		if same, err := Diff(after, after); err == nil && len(same.List) > 0 {
			t.Errorf("a payload differs from itself: %v", same)
		}
	})
}
