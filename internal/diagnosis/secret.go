package diagnosis

import (
	"fmt"
	"io"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Secret is a named signing secret. It either has a Key or comes from NewSecret.
type Secret struct {
	// Name stands for the secret in messages.
	Name string

	// Owner says in messages whose secret it is, such as: the endpoint "billing".
	// It is empty if that needs no words.
	Owner string

	// Key is the parsed secret.
	Key *signature.Key

	// text is behind a pointer to keep it out of prints. When package fmt prints
	// a struct that has a Secret in an unexported field, it calls no methods of
	// the Secret, but it does not follow pointers either.
	text *string
}

// NewSecret returns the secret that somebody wrote as text. The text need not be
// a valid secret.
func NewSecret(name, text string) Secret { return Secret{Name: name, text: &text} }

// Text returns the secret as somebody wrote it, or "" if that is not known.
func (s Secret) Text() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Parse returns the Key or, if there is none, what signature.ParseSecret makes of
// the text. Its error names the secret and holds nothing of the text.
func (s Secret) Parse() (*signature.Key, error) {
	if s.Key != nil {
		return s.Key, nil
	}
	key, err := signature.ParseSecret(s.Text())
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	return key, nil
}

// String returns the secret's name and owner, and never its text.
func (s Secret) String() string {
	if s.Owner == "" {
		return fmt.Sprintf("secret %q", s.Name)
	}
	return fmt.Sprintf("secret %q of %s", s.Name, s.Owner)
}

// Format keeps the text out of whatever package fmt prints, with any verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// Interface guards
var (
	_ fmt.Formatter = Secret{}
	_ fmt.Stringer  = Secret{}
)
