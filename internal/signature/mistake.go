package signature

import (
	"errors"
	"regexp"
	"strings"
)

var variableName = regexp.MustCompile(`^\$?[A-Z][A-Z0-9_]*$`)

// explainNoSecret says what s, which is no secret, is instead, if it is one of
// the things that people take for one. Otherwise it returns err.
func explainNoSecret(s string, err error) error {
	_, value, hasName := strings.Cut(s, "=")
	switch {
	case strings.HasPrefix(s, "sk_") || strings.HasPrefix(s, "pk_"):
		return errors.New("it is one of Clerk's API keys (sk_… or pk_…): a signing secret begins with whsec_")
	case strings.Contains(s, "…") || strings.Contains(s, "..."):
		return errors.New("it stands in the documentation for a secret: put your endpoint's own in its place")
	case hasName && strings.HasPrefix(value, hmacPrefix):
		return errors.New("it has a name in front: give only what comes after the equals sign")
	case variableName.MatchString(s):
		return errors.New("it looks like the name of an environment variable: in a configuration write {env.NAME}")
	case strings.HasPrefix(s, "env.") || strings.HasPrefix(s, "file."):
		return errors.New("it looks like a placeholder without its braces: write {env.NAME} or {file./path}")
	case strings.HasPrefix(s, "/") || strings.HasPrefix(s, "./"):
		return errors.New("it looks like the name of a file: in a configuration write {file./path}")
	}
	return err
}
