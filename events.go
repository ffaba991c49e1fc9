package clerkwebhook

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

type eventFilter struct {
	patterns []event.Pattern
	known    map[string]eventKind // decided beforehand
}

// eventKind is what a guard does with the events of one type.
type eventKind struct {
	name   string
	label  string // in metrics
	wanted bool
}

// whyFiltered is what a person reads in the list of attempts.
func (k eventKind) whyFiltered(status int) string {
	what := "events of this type"
	if k.name == "" {
		what = "events without a type"
	} else if event.Pattern(k.name).Validate() == nil {
		what = k.name
	}
	answer := "Not forwarded"
	if status < 300 {
		answer = "Acknowledged, but not forwarded"
	}
	return answer + ": the option events does not select " + what + ".\n"
}

// newEventFilter decides beforehand about all types that are known: those of
// Clerk's catalogue, and those that the patterns name.
func newEventFilter(texts []string) (*eventFilter, error) {
	patterns, err := parsePatterns(texts)
	if err != nil {
		return nil, err
	}
	f := &eventFilter{patterns: patterns, known: make(map[string]eventKind)}
	for _, name := range event.Catalogue() {
		f.known[name] = eventKind{name: name, label: name, wanted: f.wants(name)}
	}
	for _, p := range patterns {
		if name := string(p); p.IsLiteral() {
			f.known[name] = eventKind{name: name, label: name, wanted: true}
		}
	}
	return f, nil
}

// kindOf returns what to do with events of the type. It is "" where none could be
// read.
func (f *eventFilter) kindOf(eventType []byte) eventKind {
	if kind, isKnown := f.known[string(eventType)]; isKnown {
		return kind
	}
	name := string(eventType)
	return eventKind{name: name, label: otherType, wanted: f.wants(name)}
}

// wants reports whether events of the type go on. Every event does where there
// are no patterns. Where there are patterns, none of them matches an unreadable
// type ("").
func (f *eventFilter) wants(eventType string) bool {
	return len(f.patterns) == 0 || matchesAny(f.patterns, eventType)
}

func matchesAny(patterns []event.Pattern, eventType string) bool {
	return eventType != "" && slices.ContainsFunc(patterns, func(p event.Pattern) bool { return p.Match(eventType) })
}

func parsePatterns(texts []string) ([]event.Pattern, error) {
	patterns := make([]event.Pattern, len(texts))
	for i, text := range texts {
		if signature.HasPrefix(text) {
			return nil, errors.New("a signing secret does not belong here: give it to the option secret")
		}
		patterns[i] = event.Pattern(text)
		if err := patterns[i].Validate(); err != nil {
			return nil, err
		}
	}
	return patterns, nil
}

// warnOfUnknownEvents tells of patterns that are probably mistyped or out of date. They
// are no error, because Clerk adds events and Svix has other senders.
func warnOfUnknownEvents(logger *zap.Logger, option string, patterns []event.Pattern) {
	for _, p := range patterns {
		if p.NoLongerSent() {
			logger.Warn(fmt.Sprintf("%s: Clerk no longer sends an event that matches %q", option, p))
		}
		if p.Known() {
			continue
		}
		shown := strconv.Quote(string(p))
		if mayBeSecret(string(p)) {
			shown = "what may be a signing secret"
		}
		message := fmt.Sprintf("%s: no event that Clerk is known to send matches %s", option, shown)
		if slices.Contains([]string{"all", "any", "every", "everything"}, strings.ToLower(string(p))) {
			message += "; for every event, write *"
		} else if nearest := p.Nearest(); nearest != "" {
			message += "; did you mean " + nearest + "?"
		}
		logger.Warn(message)
	}
}
