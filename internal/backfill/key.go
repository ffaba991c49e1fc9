package backfill

import (
	"errors"
	"fmt"
	"io"
	"strings"
)

// KeyVariable is the environment variable that Clerk's own libraries read.
const KeyVariable = "CLERK_SECRET_KEY"

const (
	livePrefix   = "sk_live_"
	testPrefix   = "sk_test_"
	maxKeyLength = 256
)

// Key is a secret key of Clerk's Backend API. Package fmt never prints it.
type Key struct {
	text *string // a pointer, because fmt follows none below the first level
}

// ParseKey reads a secret key, with white space around it or not. Its errors say what
// the text is instead, and hold nothing of it.
func ParseKey(text string) (Key, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return Key{}, errors.New("it is empty")
	case strings.HasPrefix(text, "pk_"):
		return Key{}, errors.New("it is a publishable key (pk_…), which cannot read users: copy the secret key (sk_…) from the page \"API keys\" of the Clerk Dashboard")
	case strings.HasPrefix(text, "whsec_"):
		return Key{}, errors.New("it is a signing secret (whsec_…): copy the secret key (sk_…) from the page \"API keys\" of the Clerk Dashboard")
	case !strings.HasPrefix(text, livePrefix) && !strings.HasPrefix(text, testPrefix):
		return Key{}, fmt.Errorf("it does not begin with %s or %s: copy the secret key from the page \"API keys\" of the Clerk Dashboard", testPrefix, livePrefix)
	case len(text) > maxKeyLength || len(text) == len(livePrefix) || strings.ContainsFunc(text, isNoKeyCharacter):
		return Key{}, errors.New("it is not a whole secret key: copy it again from the page \"API keys\" of the Clerk Dashboard")
	}
	return Key{&text}, nil
}

func isNoKeyCharacter(c rune) bool { return c <= ' ' || c > '~' }

// IsLive reports whether the key is of a production instance.
func (k Key) IsLive() bool { return k.text != nil && strings.HasPrefix(*k.text, livePrefix) }

// Format keeps the key out of whatever package fmt prints, with any verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret key]") }

// hide removes the key from a text that somebody else has written.
func (k Key) hide(text string) string { return strings.ReplaceAll(text, *k.text, "[secret key]") }

// Interface guard
var _ fmt.Formatter = Key{}
