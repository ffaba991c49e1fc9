package clerkwebhook

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("clerk_webhook", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("clerk_webhook", httpcaddyfile.Before, "basic_auth")
}

func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	clerk_webhook [<matcher>] {
//		name         <endpoint>
//		secret       [<name>] <signing_secret>
//		events       <pattern...>
//		filtered     <status>
//		tolerance    <duration>
//		max_body     <size>
//		body_timeout <duration>
//		report_only
//	}
//
// Every line is optional; secret and events may be repeated.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		if seen[option] && option != "secret" && option != "events" {
			return d.Errf("%s is given twice", option)
		}
		seen[option] = true
		if err := h.unmarshalOption(d, option); err != nil {
			return err
		}
	}
	return nil
}

func (h *Handler) unmarshalOption(d *caddyfile.Dispenser, option string) error {
	switch option {
	case "secret":
		return h.unmarshalSecret(d)
	case "events":
		return h.unmarshalEvents(d)
	case "report_only":
		h.ReportOnly = true
		if d.NextArg() {
			return d.ArgErr()
		}
		return nil
	case "name", "filtered", "tolerance", "max_body", "body_timeout":
		var value string
		if !d.AllArgs(&value) {
			return d.ArgErr()
		}
		if err := h.setOption(option, value); err != nil {
			return d.Errf("%s: %v", option, err)
		}
		return nil
	}
	return d.Errf("unrecognized clerk_webhook option '%s': there are name, secret, events, filtered, tolerance, max_body, body_timeout and report_only", option)
}

// setOption sets an option that has one value, and checks it here too, where an
// error can still name the line.
func (h *Handler) setOption(option, value string) (err error) {
	switch option {
	case "name":
		h.Name = value
		return checkName(value)
	case "filtered":
		if h.Filtered, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("'%s' is not a status from 200 to 599", value)
		}
		return checkFiltered(h.Filtered)
	case "tolerance":
		return setDuration(&h.Tolerance, value)
	case "max_body":
		size, err := humanize.ParseBytes(value)
		if err != nil || size > largestMaxBody {
			return fmt.Errorf("'%s' is not a size above zero and below 2GiB, such as 1MiB", value)
		}
		h.MaxBody = int64(size)
		return checkMaxBody(h.MaxBody)
	default: // body_timeout
		return setDuration(&h.BodyTimeout, value)
	}
}

func setDuration(target *caddy.Duration, value string) error {
	duration, err := caddy.ParseDuration(value)
	if err != nil {
		return fmt.Errorf("'%s' is not a duration above zero, such as 15s or 5m", value)
	}
	*target = caddy.Duration(duration)
	return checkDuration(time.Duration(duration))
}

func (h *Handler) unmarshalSecret(d *caddyfile.Dispenser) error {
	var s Secret
	switch args := d.RemainingArgs(); len(args) {
	case 1:
		s.Value = args[0]
	case 2:
		s.Name, s.Value = args[0], args[1]
		if err := checkSecretName(s.Name); err != nil {
			return d.Errf("secret: %v", err)
		}
	default:
		return d.ArgErr()
	}
	// What has placeholders can be checked only when it is provisioned.
	if !strings.Contains(s.Value, "{") {
		if _, err := signature.ParseSecret(s.Value); err != nil {
			return d.Errf("secret: %v; %s", err, whereToFindSecret)
		}
	}
	h.Secret = append(h.Secret, s)
	return nil
}

func (h *Handler) unmarshalEvents(d *caddyfile.Dispenser) error {
	patterns := d.RemainingArgs()
	if len(patterns) == 0 {
		return d.ArgErr()
	}
	for _, p := range patterns {
		pattern := event.Pattern(p)
		if err := pattern.Validate(); err != nil {
			return d.Errf("events: %v", err)
		}
		h.Events = append(h.Events, pattern)
	}
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Handler)(nil)
