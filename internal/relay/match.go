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

// choice finds out which of some listeners want a delivery. To make it takes longer
// than to use it.
type choice struct {
	listeners []*listener
	root      node
}

func newChoice(listeners []*listener) *choice {
	c := &choice{listeners: listeners}
	for _, l := range listeners {
		for path := range l.wishes.Match {
			c.root.add(path)
		}
	}
	return c
}

// wanting returns those that want the delivery. It goes through the payload once,
// however many matches they have.
func (c *choice) wanting(d *Delivery) (wanting []*listener) {
	values := make(map[string]string)
	if c.root.under != nil {
		c.root.read(gjson.ParseBytes(d.Body), values)
	}
	for _, l := range c.listeners {
		if l.wants(d.Type, values) {
			wanting = append(wanting, l)
		}
	}
	return wanting
}

func (l *listener) wants(eventType string, values map[string]string) bool {
	if len(l.events) > 0 && !slices.ContainsFunc(l.events, func(p event.Pattern) bool { return p.Match(eventType) }) {
		return false
	}
	for path, value := range l.wishes.Match {
		if values[path] != value {
			return false
		}
	}
	return true
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
