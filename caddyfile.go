package clerkwebhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/config"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/strict"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func init() {
	register("clerk_webhook", "basic_auth", parseGuard)
	register("clerk_webhook_inspector", "respond", parseInspector)
	register("clerk_webhook_strict", "tracing", parseStrict) // tracing copies the request
}

// register does what RegisterHandlerDirective does, and gives the directive a place
// before another one. It refuses a matcher that does not match what it seems to, and
// removes secrets from errors. These repeat what somebody wrote.
func register(name, before string, parse func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error)) {
	httpcaddyfile.RegisterDirective(name, func(helper httpcaddyfile.Helper) ([]httpcaddyfile.ConfigValue, error) {
		route, err := parseRoute(helper, parse)
		return route, signature.RedactError(err)
	})
	httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, before)
}

func parseRoute(helper httpcaddyfile.Helper, parse func(httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error)) ([]httpcaddyfile.ConfigValue, error) {
	helper.Next() // the directive's name
	matchers, err := helper.ExtractMatcherSet()
	if err != nil {
		return nil, err
	}
	if err := checkPaths(matchers["path"]); err != nil {
		helper.Next()
		return nil, helper.WrapErr(err)
	}
	handler, err := parse(helper)
	if err != nil {
		return nil, err
	}
	return helper.NewRoute(matchers, handler), nil
}

func parseGuard(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	return h, h.UnmarshalCaddyfile(helper.Dispenser)
}

// checkPaths refuses paths of a path matcher that do not match what people mean.
func checkPaths(matcher json.RawMessage) error {
	if matcher == nil {
		return nil
	}
	var paths []string
	if err := json.Unmarshal(matcher, &paths); err != nil {
		return err
	}
	for _, path := range paths {
		if signature.HoldsSecret(path) { // Caddy exports it
			return errSecretElsewhere
		}
		switch why := config.PathMistake(path); {
		case why == "":
		case mayBeSecret(path):
			return signature.RedactError(fmt.Errorf("the path %s", why))
		default:
			return fmt.Errorf("the path '%s' %s: %s", path, why, config.RepairPath(path))
		}
	}
	return nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	clerk_webhook [<matcher>] {
//		<option> [<args...>]
//	}
//
// optionUsage has the options. No option is required. secret and events can be
// repeated. deduplicate can have a block with on_failure and the options of its store.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("clerk_webhook takes a matcher, such as /webhooks/clerk, and a block of options, but not %s", shown(d.Val()))
	}
	seen := make(map[string]bool)
	for d.NextBlock(0) {
		option := d.Val()
		usage, exists := optionUsage[option]
		switch {
		case !exists:
			return d.Errf("unrecognized clerk_webhook option %s: the options are %s", shown(option), strings.Join(slices.Sorted(maps.Keys(optionUsage)), ", "))
		case seen[option] && option != "secret" && option != "events":
			return d.Errf("%s is given twice: keep one", option)
		}
		seen[option] = true
		if option == "deduplicate" { // its store reads a part of it
			if err := h.setDeduplicate(d.NewFromNextSegment()); err != nil {
				return err
			}
			continue
		}
		err := h.setOption(option, d.RemainingArgs())
		if errors.Is(err, errArguments) {
			return d.Errf("%s: wrong number of arguments: write %s (an environment variable {$NAME} that is not set gives no argument)", option, usage)
		}
		if err != nil {
			return d.Errf("%s: %w", option, err)
		}
	}
	return nil
}

// optionUsage says how each option is written.
var optionUsage = map[string]string{
	"name":         "name <endpoint>",
	"secret":       "secret [<name>] <signing_secret...>",
	"events":       "events <pattern...>",
	"filtered":     "filtered <status>",
	"tolerance":    "tolerance <duration>",
	"max_body":     "max_body <size>",
	"body_timeout": "body_timeout <duration>",
	"report_only":  "report_only, without arguments",
	"deduplicate":  "deduplicate [<window>] [<store> [<args...>]]",
	"relay":        "relay [copy]",
	"inspect":      "inspect, without arguments",
}

// errArguments means too few or too many arguments. Caddy's own error repeats the
// last argument, which may be a secret.
var errArguments = errors.New("wrong number of arguments")

var errSecretElsewhere = errors.New("a secret does not belong here: give a signing secret to the option secret")

// setOption sets an option. It checks the values here, because an error can name
// the line here.
func (h *Handler) setOption(option string, args []string) error {
	if err := checkNotOff(option, args...); err != nil {
		return err
	}
	if option == "secret" {
		return h.addSecret(args)
	}
	if slices.ContainsFunc(args, signature.HoldsSecret) {
		return errSecretElsewhere
	}
	switch option {
	case "events":
		return h.addEvents(args)
	case "relay":
		return h.setRelay(args)
	case "report_only":
		return setFlag(&h.ReportOnly, args)
	case "inspect":
		return setFlag(&h.Inspect, args)
	}
	if len(args) != 1 {
		return errArguments
	}
	return h.setValue(option, args[0])
}

// whenOff says what to write instead of turning an option off.
var whenOff = map[string]string{
	"filtered":           "to forward every event, remove the option events; filtered takes a status such as 204",
	"tolerance":          "without a limit, anyone with a captured delivery could send it again at any time: write a duration. To try old deliveries, write a long one such as 24h",
	"max_body":           "there is always a limit: write a larger size, such as 100MiB",
	"body_timeout":       "there is always a limit: write a longer duration, such as 5m",
	"report_only":        "to turn it off, remove the line",
	"deduplicate":        "to turn it off, remove the line",
	"deduplicate.window": "to turn deduplicate off, remove it",
	"inspect":            "to turn it off, remove the line",
	"secret":             "there is no guard without a secret: to let everything through, use report_only or remove clerk_webhook",
}

var offWords = []string{"off", "no", "none", "never", "false", "disabled", "unlimited", "infinite", "0", "0s", "-1"}

// checkNotOff catches an option that is given a single word for "off".
func checkNotOff(option string, args ...string) error {
	instead, exists := whenOff[option]
	if !exists || len(args) != 1 || !slices.Contains(offWords, strings.ToLower(args[0])) {
		return nil
	}
	return fmt.Errorf("it cannot be '%s': %s", args[0], instead)
}

func (h *Handler) setValue(option, value string) (err error) {
	switch option {
	case "name":
		h.Name = value
		return checkName(value)
	case "filtered":
		if h.Filtered, err = strconv.Atoi(value); err != nil {
			return fmt.Errorf("%s is not a status from 200 to 599", shown(value))
		}
		return checkFiltered(h.Filtered)
	case "tolerance":
		return setDuration(&h.Tolerance, value, leastTolerance)
	case "max_body":
		size, err := humanize.ParseBytes(value)
		if err != nil || size == 0 || size > largestMaxBody {
			return fmt.Errorf("%s is not a size above zero and below 2GiB, such as 1MiB", shown(value))
		}
		h.MaxBody = int64(size)
		return nil
	default: // body_timeout
		return setDuration(&h.BodyTimeout, value, leastBodyTimeout)
	}
}

func setFlag(target *bool, args []string) error {
	if len(args) != 0 {
		return errArguments
	}
	*target = true
	return nil
}

func setDuration(target *caddy.Duration, value string, least time.Duration) error {
	duration, err := caddy.ParseDuration(value)
	if err != nil || duration <= 0 {
		return fmt.Errorf("%s is not a duration above zero, such as 15s or 5m", shown(value))
	}
	*target = caddy.Duration(duration)
	return checkDuration(duration, least)
}

// addSecret takes a name, which is no secret, and the values behind it.
func (h *Handler) addSecret(args []string) error {
	var s Secret
	if len(args) > 1 && !isSecretValue(args[0]) {
		s.Name, args = args[0], args[1:]
		if err := checkSecretName(s.Name); err != nil {
			return err
		}
	}
	if len(args) == 0 {
		return errArguments
	}
	s.Value, s.Rotation = args[0], args[1:]
	if err := checkUnique(h.Secret, s); err != nil {
		return err
	}
	for i, value := range args {
		err := checkSecretValue(value)
		switch {
		case err == nil:
		case i > 0 && !isSecretValue(value):
			return fmt.Errorf("value %d is not a signing secret: write a name first, and then only secrets", i+1)
		case i > 0:
			return fmt.Errorf("value %d: %w; %s", i+1, err, whereToFindSecret)
		default:
			return fmt.Errorf("%w; %s", err, whereToFindSecret)
		}
	}
	h.Secret = append(h.Secret, s)
	return nil
}

// checkSecretValue checks a value without placeholders. What has them can be checked
// only when it is provisioned.
func checkSecretValue(value string) error {
	if strings.Contains(value, "{") {
		return nil
	}
	_, err := signature.ParseSecret(value)
	return err
}

func (h *Handler) addEvents(patterns []string) error {
	if len(patterns) == 0 {
		return errArguments
	}
	if _, err := parsePatterns(patterns); err != nil {
		return err
	}
	h.Events = append(h.Events, patterns...)
	return nil
}

// setDeduplicate takes the window and the line on_failure, and leaves everything else
// to the store.
func (h *Handler) setDeduplicate(d *caddyfile.Dispenser) error {
	d.Next() // deduplicate
	h.Deduplicate = new(Deduplicate)
	var line, block []caddyfile.Token
	for d.NextArg() {
		line = append(line, d.Token())
	}
	if len(line) == 1 {
		if err := checkNotOff("deduplicate", line[0].Text); err != nil {
			return d.Errf("deduplicate: %w", err)
		}
	}
	if len(line) > 0 && looksLikeWindow(line[0].Text) {
		if err := h.Deduplicate.setWindow(line[0].Text); err != nil {
			return d.Errf("deduplicate: %w", err)
		}
		line = line[1:]
	}
	for d.NextBlock(0) {
		if d.Val() != "on_failure" {
			block = append(block, d.NextSegment()...)
		} else if err := h.Deduplicate.setOnFailure(d.RemainingArgs()); err != nil {
			return d.Errf("deduplicate: %w", err)
		}
	}
	if slices.ContainsFunc(slices.Concat(line, block), func(t caddyfile.Token) bool { return signature.HoldsSecret(t.Text) }) {
		return d.Errf("deduplicate: %w", errSecretElsewhere)
	}
	return h.Deduplicate.setStore(d, line, block)
}

// looksLikeWindow reports whether an argument cannot be the name of a store.
func looksLikeWindow(argument string) bool {
	return argument == "" || strings.ContainsAny(argument[:1], "+-.0123456789")
}

func (c *Deduplicate) setWindow(value string) error {
	if err := setDuration(&c.Window, value, 0); err != nil {
		return fmt.Errorf("%s is not a window: write a duration above zero, such as 48h, before the store", shown(value))
	}
	return checkWindow(time.Duration(c.Window))
}

func (c *Deduplicate) setOnFailure(args []string) error {
	switch {
	case c.OnFailure != "":
		return errors.New("on_failure is given twice: keep one")
	case len(args) != 1:
		return errors.New("on_failure: wrong number of arguments: write on_failure forward or on_failure refuse")
	}
	c.OnFailure = args[0]
	return checkOnFailure(c.OnFailure)
}

// setStore lets a store read its name, its arguments and its block.
func (c *Deduplicate) setStore(d *caddyfile.Dispenser, line, block []caddyfile.Token) error {
	if len(line) == 0 {
		if len(block) > 0 {
			return d.Errf("deduplicate: its block has an option of a store, but no store is named: write deduplicate [<window>] <store>")
		}
		return nil
	}
	name := line[0].Text
	if err := checkStore(name); err != nil {
		return d.Errf("deduplicate: %w", err)
	}
	if len(block) > 0 {
		opening := line[len(line)-1] // is in the same line
		opening.Text = "{"
		closing := d.Token() // which ended the block, in a line of its own
		line = slices.Concat(line, []caddyfile.Token{opening}, block, []caddyfile.Token{closing})
	}
	forStore := caddyfile.NewDispenser(line)
	forStore.Next()
	store, err := caddyfile.UnmarshalModule(forStore, stores.Namespace+"."+name)
	if err != nil {
		return fmt.Errorf("deduplicate: %w", err)
	}
	c.StoreRaw = caddyconfig.JSONModuleObject(store, storeKey, name, nil)
	return nil
}

func (h *Handler) setRelay(args []string) error {
	switch {
	case len(args) > 1:
		return errArguments
	case len(args) == 1 && args[0] != "copy":
		return fmt.Errorf("%s is not a way to relay: write relay, or relay copy", shown(args[0]))
	}
	h.Relay = &Relay{Copy: len(args) == 1}
	return nil
}

func parseInspector(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	i := new(Inspector)
	return i, i.UnmarshalCaddyfile(helper.Dispenser)
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Syntax:
//
//	clerk_webhook_inspector [<matcher>] {
//		allow_remote
//	}
func (i *Inspector) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("clerk_webhook_inspector takes a matcher and a block of options, but not %s", shown(d.Val()))
	}
	for d.NextBlock(0) {
		switch option := d.Val(); {
		case option != "allow_remote":
			return d.Errf("unrecognized clerk_webhook_inspector option %s: the only option is allow_remote", shown(option))
		case i.AllowRemote:
			return d.Err("allow_remote is given twice: keep one")
		case d.NextArg():
			return d.Err("allow_remote takes no arguments: write only allow_remote")
		}
		i.AllowRemote = true
	}
	return nil
}

// parseStrict sets up the handler from Caddyfile tokens. Syntax:
//
//	clerk_webhook_strict [<matcher>] {
//		paths <path...>
//	}
func parseStrict(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	helper.Next() // the directive's name
	if helper.NextArg() {
		return nil, helper.Errf("clerk_webhook_strict takes a matcher and a block of options, but not %s", shown(helper.Val()))
	}
	h := new(strict.Handler)
	for helper.NextBlock(0) {
		if option := helper.Val(); option != "paths" {
			return nil, helper.Errf("unrecognized clerk_webhook_strict option %s: the only option is paths", shown(option))
		}
		paths := helper.RemainingArgs()
		if len(paths) == 0 {
			return nil, helper.Err("paths: wrong number of arguments: write paths <path...>, such as paths /api/webhooks")
		}
		for _, path := range paths {
			if signature.HoldsSecret(path) { // Caddy exports it
				return nil, helper.WrapErr(errSecretElsewhere)
			}
			if _, err := strict.ParsePath(path); err != nil { // here, because an error can name the line here
				return nil, helper.WrapErr(err)
			}
		}
		h.Paths = append(h.Paths, paths...)
	}
	return h, nil
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
		if _, err := parsePatterns(patterns); err != nil {
			return d.Errf("clerk_event: %w", err)
		}
		*m = append(*m, patterns...)
		if d.NextBlock(0) {
			return d.Err("clerk_event takes no block: write clerk_event <pattern...>")
		}
	}
	return nil
}

// Interface guards
var (
	_ caddyfile.Unmarshaler = (*Handler)(nil)
	_ caddyfile.Unmarshaler = (*Inspector)(nil)
	_ caddyfile.Unmarshaler = (*MatchEvent)(nil)
)
