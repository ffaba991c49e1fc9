package clerkwebhook

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func init() {
	caddy.RegisterModule(MatchEvent{})
}

// eventFilter decides which events go on.
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
		if signature.HoldsSecret(text) {
			return nil, errSecretElsewhere
		}
		patterns[i] = event.Pattern(text)
		if err := patterns[i].Validate(); err != nil {
			return nil, signature.RedactError(err)
		}
	}
	return patterns, nil
}

// warnOfUnknownEvents warns about patterns that are probably mistyped or out of date. They
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

// MatchEvent matches deliveries by event type. A clerk_webhook handler must have
// verified the delivery earlier in the chain, and one of the patterns must match
// its type: `user.created`, `user.*`, `*.deleted`, `*`. A `*` stands for any run
// of characters, full stops too. No pattern matches a delivery whose type cannot
// be read. A pattern that matches no event of Clerk's is a warning, because Clerk
// adds events. A pattern with characters that no type has is an error.
//
// It works on every directive that is sorted after `clerk_webhook`, such as
// `request_header`, `handle`, `route`, `respond` and `reverse_proxy`, also in
// `not` and in expressions. It never matches on directives that run before the
// guard: `map`, `vars`, `header`, `redir` and `rewrite`. The source of a `map` may
// still be `{http.clerk_webhook.type}`, because Caddy reads it when the result is
// used.
type MatchEvent []string

// CaddyModule returns the Caddy module information.
func (MatchEvent) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.clerk_event",
		New: func() caddy.Module { return new(MatchEvent) },
	}
}

// Provision warns of patterns that select no event of Clerk's.
func (m MatchEvent) Provision(ctx caddy.Context) error {
	if patterns, err := parsePatterns(m); err == nil { // Validate returns the error
		warnOfUnknownEvents(ctx.Logger(), "clerk_event", patterns)
	}
	return nil
}

// Validate checks the patterns.
func (m MatchEvent) Validate() error {
	if len(m) == 0 {
		return errors.New("clerk_event: there is no pattern, so nothing would match: use * for every event")
	}
	if _, err := parsePatterns(m); err != nil {
		return fmt.Errorf("clerk_event: %w", err)
	}
	return nil
}

// Match reports whether r is a verified delivery of one of the selected types.
func (m MatchEvent) Match(r *http.Request) bool {
	match, _ := m.MatchWithError(r)
	return match
}

// MatchWithError reports whether r is a verified delivery of one of the
// selected types. The error is always nil.
func (m MatchEvent) MatchWithError(r *http.Request) (bool, error) {
	d := deliveryOf(r)
	if d == nil || !d.verified || d.kind.name == "" {
		return false, nil
	}
	return slices.ContainsFunc(m, func(p string) bool { return event.Pattern(p).Match(d.kind.name) }), nil
}

// CELLibrary makes the matcher available in expressions.
//
// Example:
//
//	expression clerk_event('user.*', 'organization*')
func (MatchEvent) CELLibrary(_ caddy.Context) (cel.Library, error) {
	return caddyhttp.CELMatcherImpl(
		"clerk_event",
		"clerk_event_request_list",
		[]*cel.Type{cel.ListType(cel.StringType)},
		func(data ref.Val) (caddyhttp.RequestMatcherWithError, error) {
			list, err := data.ConvertToNative(reflect.TypeFor[[]string]())
			if err != nil {
				return nil, err
			}
			m := MatchEvent(list.([]string))
			return m, m.Validate()
		},
	)
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchEvent)(nil)
	_ caddy.Validator                   = (*MatchEvent)(nil)
	_ caddyhttp.RequestMatcher          = (*MatchEvent)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchEvent)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchEvent)(nil)
)
