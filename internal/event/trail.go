package event

import (
	"strconv"
	"strings"
)

// maxTrail bounds the text of a trail, in bytes.
const maxTrail = 1000

// trail is the way to a value in a payload, from the top. It becomes a text only where it
// is shown: the texts for all values would take a time and a memory that grow with the
// square of the payload. nil is the top.
type trail struct {
	parent *trail
	name   string // "" for an element of a list
	index  int    // -1 for a member
}

func (t *trail) member(name string) *trail { return &trail{t, name, -1} }
func (t *trail) element(index int) *trail  { return &trail{t, "", index} }

// String returns the names and indexes, with full stops between them. A long text ends in
// "…".
func (t *trail) String() string {
	var b strings.Builder
	t.write(&b)
	text := b.String()
	if len(text) <= maxTrail {
		return text
	}
	return strings.ToValidUTF8(text[:maxTrail], "") + "…"
}

func (t *trail) write(b *strings.Builder) {
	if t == nil {
		return
	}
	if t.parent.write(b); b.Len() > maxTrail {
		return
	}
	if t.parent != nil {
		b.WriteByte('.')
	}
	if t.index < 0 {
		b.WriteString(t.name[:min(len(t.name), maxTrail+1)])
		return
	}
	b.WriteString(strconv.Itoa(t.index))
}
