package event

import (
	"errors"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Change is one difference between two payloads.
type Change struct {
	// Path leads to the value, as in the placeholders of a payload's values. Where an
	// element was removed from a list, it is the path in the payload before. It is cut at
	// 1000 bytes.
	Path string `json:"path"`
	Kind string `json:"kind"` // added, removed or changed

	// The values as JSON, cut at 200 bytes. One that does not exist is "".
	Before string `json:"before"`
	After  string `json:"after"`
}

// Changes are the differences between two payloads, in their order.
type Changes struct {
	List []Change `json:"list"`
	More bool     `json:"more"` // there are others
}

// Bounds, because a payload can be a megabyte of differences.
const (
	maxChanges     = 100
	maxChangeText  = 200 // bytes
	maxChangeDepth = 50  // values that are nested deeper are compared as text
)

// ErrNoJSON is the error of Diff for a payload that is not JSON, or nests too deep.
var ErrNoJSON = errors.New("it is not JSON")

// Diff compares two payloads by their structure: white space, the order of members and
// the spelling of texts are no difference. Elements of a list that are objects with an
// id are compared with the element that has the same id, wherever that is.
func Diff(before, after []byte) (Changes, error) {
	if !IsValid(before) || !IsValid(after) {
		return Changes{}, ErrNoJSON
	}
	d := differ{Changes: Changes{List: []Change{}}}
	d.compare(nil, 0, gjson.ParseBytes(before), gjson.ParseBytes(after))
	return d.Changes, nil
}

// Within returns the changes of one member of the payload.
func (c Changes) Within(name string) Changes {
	c.List = slices.DeleteFunc(slices.Clone(c.List), func(change Change) bool {
		return change.Path != name && !strings.HasPrefix(change.Path, name+".")
	})
	return c
}

type differ struct{ Changes }

func (d *differ) compare(path *trail, depth int, before, after gjson.Result) {
	switch {
	case d.More || before.Raw == after.Raw:
	case depth < maxChangeDepth && before.IsObject() && after.IsObject():
		d.objects(path, depth+1, before, after)
	case depth < maxChangeDepth && before.IsArray() && after.IsArray():
		d.arrays(path, depth+1, before.Array(), after.Array())
	case before.Type == gjson.String && after.Type == gjson.String && before.Str == after.Str:
	default:
		d.add(path, "changed", before, after)
	}
}

func (d *differ) objects(path *trail, depth int, before, after gjson.Result) {
	old, now := lastMembers(before), lastMembers(after)
	after.ForEach(func(key, _ gjson.Result) bool {
		value, known := now[key.Str]
		if !known {
			return true // a repeated member, which was compared already
		}
		delete(now, key.Str)
		d.member(path.member(gjson.Escape(key.Str)), depth, old, key.Str, value)
		delete(old, key.Str)
		return !d.More
	})
	before.ForEach(func(key, _ gjson.Result) bool {
		if value, removed := old[key.Str]; removed {
			delete(old, key.Str)
			d.add(path.member(gjson.Escape(key.Str)), "removed", value, gjson.Result{})
		}
		return !d.More
	})
}

// lastMembers returns the members of an object. The last of a repeated one counts, as
// in JSON.parse.
func lastMembers(object gjson.Result) map[string]gjson.Result {
	members := make(map[string]gjson.Result)
	object.ForEach(func(key, value gjson.Result) bool {
		members[key.Str] = value
		return true
	})
	return members
}

func (d *differ) member(path *trail, depth int, old map[string]gjson.Result, name string, value gjson.Result) {
	if before, known := old[name]; known {
		d.compare(path, depth, before, value)
		return
	}
	d.add(path, "added", gjson.Result{}, value)
}

func (d *differ) arrays(path *trail, depth int, before, after []gjson.Result) {
	old := identified(before)
	if old == nil || identified(after) == nil {
		d.byIndex(path, depth, before, after)
		return
	}
	for i, value := range after {
		d.member(path.element(i), depth, old, idOf(value), value)
		delete(old, idOf(value))
	}
	for i, value := range before {
		if _, removed := old[idOf(value)]; removed {
			d.add(path.element(i), "removed", value, gjson.Result{})
		}
	}
}

func (d *differ) byIndex(path *trail, depth int, before, after []gjson.Result) {
	for i := range max(len(before), len(after)) {
		at := path.element(i)
		switch {
		case i >= len(before):
			d.add(at, "added", gjson.Result{}, after[i])
		case i >= len(after):
			d.add(at, "removed", before[i], gjson.Result{})
		default:
			d.compare(at, depth, before[i], after[i])
		}
		if d.More {
			return
		}
	}
}

// identified returns the elements of a list by their ids. It returns nil if one has
// none, or if two have the same.
func identified(elements []gjson.Result) map[string]gjson.Result {
	byID := make(map[string]gjson.Result, len(elements))
	for _, element := range elements {
		id := idOf(element)
		if _, known := byID[id]; known || id == "" {
			return nil
		}
		byID[id] = element
	}
	return byID
}

func idOf(element gjson.Result) string {
	if !element.IsObject() {
		return ""
	}
	return element.Get("id").Str
}

func (d *differ) add(path *trail, kind string, before, after gjson.Result) {
	if len(d.List) == maxChanges {
		d.More = true
		return
	}
	d.List = append(d.List, Change{path.String(), kind, cutJSON(before), cutJSON(after)})
}

// cutJSON returns a copy of the beginning of a value's text.
func cutJSON(value gjson.Result) string {
	text := value.Raw
	if len(text) <= maxChangeText {
		return string([]byte(text))
	}
	end := maxChangeText
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + "…"
}
