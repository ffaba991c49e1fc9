package event

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Set returns payload with the value at path replaced or added. payload must be in the
// form of Canonical.
//
// Full stops separate the names in a path, and arrays count from 0
// ("data.email_addresses.0.id"). A full stop after a backslash is part of a name. Set
// adds the objects that the path needs. The index after an array's last adds an
// element.
//
// A value that is valid JSON is used as JSON, and any other value is text. So true is
// a boolean, and "true" with its quotes is text.
func Set(payload []byte, path, value string) ([]byte, error) {
	names, err := splitPath(path)
	if err != nil {
		return nil, err
	}
	changed, err := set(nil, gjson.ParseBytes(payload), names, jsonValue(value))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return Canonical(changed)
}

func jsonValue(value string) []byte {
	if gjson.Valid(value) {
		return []byte(value)
	}
	quoted, _ := json.Marshal(value) // text always has a JSON form
	return quoted
}

func splitPath(path string) ([]string, error) {
	var names []string
	var name strings.Builder
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '\\' && i+1 < len(path):
			i++
			name.WriteByte(path[i])
		case path[i] == '.':
			names = append(names, name.String())
			name.Reset()
		default:
			name.WriteByte(path[i])
		}
	}
	names = append(names, name.String())
	for _, n := range names {
		if n == "" {
			return nil, fmt.Errorf("%q is not a path such as data.email_addresses.0.id: a name in it is empty", path)
		}
	}
	return names, nil
}

func set(dst []byte, old gjson.Result, path []string, value []byte) ([]byte, error) {
	switch {
	case len(path) == 0:
		return append(dst, value...), nil
	case old.IsArray():
		return setElement(dst, old, path, value)
	case old.IsObject():
		return setMember(dst, old, path, value)
	case old.Type == gjson.Null: // or nothing
		return setMember(dst, gjson.Result{}, path, value)
	}
	return nil, fmt.Errorf("it leads to %s, which has no member %q", shorten(signature.Redact(old.Raw)), path[0])
}

func setMember(dst []byte, object gjson.Result, path []string, value []byte) (_ []byte, err error) {
	found, count := false, 0
	dst = append(dst, '{')
	object.ForEach(func(key, member gjson.Result) bool {
		if count++; count > 1 {
			dst = append(dst, ',')
		}
		dst = append(append(dst, key.Raw...), ':')
		if key.Str != path[0] {
			dst = append(dst, member.Raw...)
			return true
		}
		found = true
		dst, err = set(dst, member, path[1:], value)
		return err == nil
	})
	if err != nil || found {
		return append(dst, '}'), err
	}
	if count > 0 {
		dst = append(dst, ',')
	}
	name, _ := json.Marshal(path[0]) // text always has a JSON form
	dst = append(append(dst, name...), ':')
	dst, err = set(dst, gjson.Result{}, path[1:], value)
	return append(dst, '}'), err
}

func setElement(dst []byte, array gjson.Result, path []string, value []byte) ([]byte, error) {
	elements := array.Array()
	index, err := strconv.Atoi(path[0])
	if err != nil || index < 0 {
		return nil, fmt.Errorf("it leads to an array, and there is no index %q", path[0])
	}
	if index > len(elements) {
		return nil, fmt.Errorf("it leads to an array with only %d elements", len(elements))
	}
	if index == len(elements) {
		elements = append(elements, gjson.Result{})
	}
	dst = append(dst, '[')
	for i, element := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		if i != index {
			dst = append(dst, element.Raw...)
			continue
		}
		if dst, err = set(dst, element, path[1:], value); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}
