package clerkwebhook

import (
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

// MatchEvent matches requests that a clerk_webhook handler before it in the
// chain has verified, and whose event type one of the patterns selects:
// `user.created`, `user.*`, `*.deleted`, `*`. A `*` stands for any run of
// characters, full stops too.
//
// It sees what the guard has found, so it never matches in front of it: use it
// on directives that are sorted after `clerk_webhook`, such as `handle`,
// `route`, `respond` and `reverse_proxy`, not on `map`-free early ones such as
// `rewrite`, `header` and `vars`.
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
			return d.ArgErr()
		}
		for _, p := range patterns {
			pattern := event.Pattern(p)
			if err := pattern.Validate(); err != nil {
				return d.WrapErr(err)
			}
			*m = append(*m, pattern)
		}
		if d.NextBlock(0) {
			return d.Err("malformed clerk_event matcher: blocks are not supported")
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
	for _, pattern := range m {
		if err := pattern.Validate(); err != nil {
			return err
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
	if d == nil || !d.verified {
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
