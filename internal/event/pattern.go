package event

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Pattern selects event types. It is a type, or a type in which each * stands for any
// number of any characters, full stops too ("user.*", "*.deleted", "organization*",
// "*").
type Pattern string

// Validate returns an error if the pattern is empty or has a character that no type
// has. Svix allows letters, digits, "-", "_" and "." in a type.
func (p Pattern) Validate() error {
	if p == "" {
		return errors.New("an event pattern is empty: name a type such as user.created, or remove the option to select every event")
	}
	if i := strings.IndexFunc(string(p), func(c rune) bool { return c != '*' && !allowedInType(c) }); i >= 0 {
		return fmt.Errorf("event pattern %q contains %q: a type has letters, digits, '-', '_' and '.', and in a pattern '*' stands for any run of characters", p, []rune(string(p[i:]))[0])
	}
	return nil
}

func allowedInType(c rune) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
}

// Match reports whether the pattern selects the type. The sender chooses the length of
// a type, so Match looks at no part of it twice for one wildcard.
func (p Pattern) Match(eventType string) bool {
	first, rest, isWild := strings.Cut(string(p), "*")
	if !isWild {
		return eventType == first
	}
	eventType, found := strings.CutPrefix(eventType, first)
	for found {
		part, after, isMiddle := strings.Cut(rest, "*")
		if !isMiddle {
			return strings.HasSuffix(eventType, part)
		}
		_, eventType, found = strings.Cut(eventType, part) // the first place leaves the most for the rest
		rest = after
	}
	return false
}

// IsLiteral reports whether the pattern selects a single type: itself.
func (p Pattern) IsLiteral() bool { return !strings.Contains(string(p), "*") }

// Known reports whether the pattern selects a type in the catalogue.
func (p Pattern) Known() bool { return slices.ContainsFunc(catalogue, p.Match) }

// NoLongerSent reports whether the pattern selects types in the catalogue, but only such
// as Clerk has stopped sending.
func (p Pattern) NoLongerSent() bool {
	return p.Known() && !slices.ContainsFunc(catalogue, func(t string) bool { return p.Match(t) && !NoLongerSent(t) })
}

// Nearest returns what the user of a pattern that is not Known probably meant. It is a
// type in the catalogue or, if the pattern has a wildcard, a pattern for a family of
// types. If nothing is near it is "".
func (p Pattern) Nearest() string {
	candidates := catalogue
	if !p.IsLiteral() {
		candidates = families()
	}
	best, bestDistance := "", len(p)/2+1
	for _, candidate := range candidates {
		if d := distance(strings.ToLower(string(p)), strings.ToLower(candidate)); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	return best
}

func families() []string {
	var all []string
	for _, eventType := range catalogue {
		object, action, _ := strings.Cut(eventType, ".")
		all = append(all, object+".*", "*."+action)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// distance returns the Levenshtein distance of two ASCII texts: how many characters
// one must insert, delete or replace to get b from a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
