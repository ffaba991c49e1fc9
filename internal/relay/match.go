package relay

import (
	"errors"
	"slices"
	"strings"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// maxNames bounds the names and indexes in a path, because each takes a pass over the
// value that it is looked up in.
const maxNames = 16

// CheckPath returns an error for a path in a payload that is more than names and
// indexes.
func CheckPath(path string) error {
	if path == "" || strings.ContainsAny(path, `@!|#*?{}[]()\`) || strings.Count(path, ".") >= maxNames {
		return errors.New("a path has names and indexes only, at most 16, such as data.id or data.email_addresses.0.id")
	}
	return nil
}

// wantedBy returns those of the listeners that want the delivery.
func (d *Delivery) wantedBy(listeners []*listener) []*listener {
	listeners = slices.DeleteFunc(listeners, func(l *listener) bool { return !l.wantsType(d.Type) })
	values := d.valuesFor(listeners)
	return slices.DeleteFunc(listeners, func(l *listener) bool { return !l.wantsValues(values) })
}

func (l *listener) wantsType(eventType string) bool {
	return len(l.events) == 0 || slices.ContainsFunc(l.events, func(p event.Pattern) bool { return p.Match(eventType) })
}

func (l *listener) wantsValues(values map[string]string) bool {
	for path, value := range l.wishes.Match {
		if values[path] != value {
			return false
		}
	}
	return true
}

// valuesFor returns the values that listeners match by. It goes through the payload
// once, however many paths they have.
func (d *Delivery) valuesFor(listeners []*listener) map[string]string {
	values := make(map[string]string)
	root := &node{}
	for _, l := range listeners {
		for path := range l.wishes.Match {
			if _, known := values[path]; !known {
				values[path] = "" // if there is none
				root.add(path)
			}
		}
	}
	if len(values) > 0 {
		root.read(gjson.ParseBytes(d.Body), values)
	}
	return values
}

// node is a place in a payload where a value is wanted, or more than one further down.
type node struct {
	path  string // "" if only values further down are wanted
	under map[string]*node
}

func (n *node) add(path string) {
	for name := range strings.SplitSeq(path, ".") {
		if n.under == nil {
			n.under = make(map[string]*node)
		}
		next := n.under[name]
		if next == nil {
			next = &node{}
			n.under[name] = next
		}
		n = next
	}
	n.path = path
}

// read puts the wanted values in value into values.
func (n *node) read(value gjson.Result, values map[string]string) {
	if n.path != "" {
		values[n.path] = value.String()
	}
	if n.under == nil || !value.IsObject() && !value.IsArray() {
		return
	}
	value.ForEach(func(name, member gjson.Result) bool {
		if under := n.under[name.String()]; under != nil {
			under.read(member, values)
		}
		return true
	})
}
