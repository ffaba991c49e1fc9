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
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func init() {
	caddy.RegisterModule(MatchEvent{})
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
