package clerkwebhook

import (
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types/ref"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func init() {
	caddy.RegisterModule(MatchEvent{})
}

// MatchEvent matches deliveries that a clerk_webhook handler before it in the
// chain has verified, and whose event type one of the patterns selects:
// `user.created`, `user.*`, `*.deleted`, `*`. A `*` stands for any run of
// characters, full stops too. A delivery whose type cannot be read is matched by
// no pattern. A pattern that selects no event of Clerk's is a warning, since
// Clerk adds events, and one with characters that no type has is an error.
//
// It works on every directive that is sorted after `clerk_webhook`, such as
// `request_header`, `handle`, `route`, `respond` and `reverse_proxy`, also in
// `not` and in expressions. In front of the guard it never matches: not on `map`,
// `vars`, `header`, `redir` or `rewrite`. (The source of a `map` may be
// `{http.clerk_webhook.type}` all the same, since it is read when the result is
// used.)
type MatchEvent []event.Pattern

// CaddyModule returns the Caddy module information.
func (MatchEvent) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.matchers.clerk_event",
		New: func() caddy.Module { return new(MatchEvent) },
	}
}

// UnmarshalCaddyfile sets up the matcher from Caddyfile tokens. Syntax:
//
//	clerk_event <pattern...>
func (m *MatchEvent) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	for d.Next() {
		patterns := d.RemainingArgs()
		if len(patterns) == 0 {
			return d.Err("clerk_event: wrong number of arguments: write clerk_event <pattern...>")
		}
		for _, p := range patterns {
			pattern := event.Pattern(p)
			if err := pattern.Validate(); err != nil {
				return d.Errf("clerk_event: %w", err)
			}
			*m = append(*m, pattern)
		}
		if d.NextBlock(0) {
			return d.Err("clerk_event: it has no block: write clerk_event <pattern...>")
		}
	}
	return nil
}

// Provision warns of patterns that select no event of Clerk's.
func (m MatchEvent) Provision(ctx caddy.Context) error {
	warnOfUnknownEvents(ctx.Logger(), "clerk_event", m)
	return nil
}

// Validate checks the patterns.
func (m MatchEvent) Validate() error {
	if len(m) == 0 {
		return errors.New("clerk_event: there is no pattern, so nothing would match: use * for every event")
	}
	for _, pattern := range m {
		if err := pattern.Validate(); err != nil {
			return fmt.Errorf("clerk_event: %w", err)
		}
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
	if d == nil || !d.verified || d.eventType == "" {
		return false, nil
	}
	return slices.ContainsFunc(m, func(p event.Pattern) bool { return p.Match(d.eventType) }), nil
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
			var m MatchEvent
			for _, pattern := range list.([]string) {
				m = append(m, event.Pattern(pattern))
			}
			return m, m.Validate()
		},
	)
}

// Interface guards
var (
	_ caddy.Provisioner                 = (*MatchEvent)(nil)
	_ caddy.Validator                   = (*MatchEvent)(nil)
	_ caddyfile.Unmarshaler             = (*MatchEvent)(nil)
	_ caddyhttp.RequestMatcher          = (*MatchEvent)(nil)
	_ caddyhttp.RequestMatcherWithError = (*MatchEvent)(nil)
	_ caddyhttp.CELLibraryProducer      = (*MatchEvent)(nil)
)
