package command

import (
	"fmt"
	"strings"
)

// upstream is where a proxy sends what it lets through.
type upstream struct {
	address string
	isEcho  bool
}

// The headers by which the echo backend learns what the guard has found.
const (
	outcomeHeader = "Clerk-Webhook-Outcome"
	reasonHeader  = "Clerk-Webhook-Reason"
	secretHeader  = "Clerk-Webhook-Secret"
	guardHeaders  = "Clerk-Webhook-*"
)

// caddyfile returns the config that the proxy runs.
func (p *proxy) caddyfile(backend upstream) string {
	c := &configText{}
	c.block("", p.globalOptions)
	c.line("")
	c.block(word(p.listener.address), func(c *configText) {
		if len(p.listener.binds) > 0 {
			c.line("bind " + strings.Join(p.listener.binds, " "))
		}
		if p.accessLog {
			c.block("log", withoutSignatures)
		}
		guarded := word(p.path)
		if other, ok := p.otherSlash(); ok {
			guarded = "@webhooks"
			c.line(guarded + " path " + word(p.path) + " " + word(other))
		}
		c.block("handle "+guarded, func(c *configText) {
			c.block("clerk_webhook", p.guardOptions)
			c.reverseProxy(backend, true)
		})
		c.block("handle", func(c *configText) {
			if p.only {
				c.line("respond 404")
				return
			}
			c.reverseProxy(backend, false)
		})
	})
	if p.inspector != nil {
		c.line("")
		c.block(word(p.inspector.address), func(c *configText) {
			c.line("bind " + strings.Join(p.inspector.binds, " "))
			c.line("clerk_webhook_inspector")
		})
	}
	return c.String()
}

// otherSlash returns the path with a slash at its end, or without the one that
// it has: many frameworks take both for the same route.
func (p *proxy) otherSlash() (path string, ok bool) {
	without, has := strings.CutSuffix(p.path, "/")
	switch {
	case without == "" || strings.HasSuffix(p.path, "*"):
		return "", false
	case has:
		return without, true
	}
	return p.path + "/", true
}

func (p *proxy) globalOptions(c *configText) {
	c.line("# As a proxy at a desk has it. Without these two lines caddy reload,")
	c.line("# clerk-webhook forget and metrics find the admin endpoint.")
	c.line("admin off")
	c.line("persist_config off")
	isPlain := strings.HasPrefix(p.listener.address, "http:")
	if isPlain { // and Caddy would warn that it cannot speak the others
		c.block("servers", func(c *configText) { c.line("protocols h1") })
	}
	if p.debug {
		c.line("debug")
	}
	c.block("log", func(c *configText) {
		if isPlain && !p.debug { // or else the log tells of certificates
			quietLog(c)
		}
		withoutSignatures(c)
	})
}

// quietLog leaves the terminal to what happens, not to how Caddy starts.
func quietLog(c *configText) {
	c.line("level WARN")
	c.line("exclude admin")
}

// withoutSignatures keeps out of a log what is good for five minutes: the access
// log has the headers of every request, and the log of errors those of the
// requests whose backend fails.
func withoutSignatures(c *configText) {
	c.block("format filter", func(c *configText) {
		c.line("request>headers>Svix-Signature delete")
		c.line("request>headers>Webhook-Signature delete")
	})
}

func (p *proxy) guardOptions(c *configText) {
	if p.name != "" {
		c.line("name " + word(p.name))
	}
	for _, s := range p.secrets {
		if s.name == "" {
			c.line("secret " + word(s.placeholder))
		} else {
			c.line("secret " + word(s.name) + " " + word(s.placeholder))
		}
	}
	if len(p.events) > 0 {
		var words []string
		for _, pattern := range p.events {
			words = append(words, word(string(pattern)))
		}
		c.line("events " + strings.Join(words, " "))
	}
	if p.reportOnly {
		c.line("report_only")
	}
	if p.once {
		c.line("deduplicate")
	}
	if p.inspector != nil {
		c.line("inspect")
	}
}

func (c *configText) reverseProxy(backend upstream, guarded bool) {
	directive := "reverse_proxy " + word(backend.address)
	switch {
	case backend.isEcho && guarded:
		c.block(directive, func(c *configText) {
			c.line("header_up " + outcomeHeader + " {http.clerk_webhook.outcome}")
			c.line("header_up " + reasonHeader + " {http.clerk_webhook.reason}")
			c.line("header_up " + secretHeader + " {http.clerk_webhook.secret}")
		})
	case backend.isEcho:
		c.block(directive, func(c *configText) { c.line("header_up -" + guardHeaders) })
	default:
		c.line(directive)
	}
}

// configText writes a Caddyfile as 'caddy fmt' would.
type configText struct {
	strings.Builder
	depth int
}

func (c *configText) line(text string) {
	if text != "" {
		text = strings.Repeat("\t", c.depth) + text
	}
	fmt.Fprintln(c, text)
}

func (c *configText) block(head string, body func(*configText)) {
	if head != "" {
		head += " "
	}
	c.line(head + "{")
	c.depth++
	body(c)
	c.depth--
	c.line("}")
}

// word writes a value as one token. A placeholder is a token as it is. Between
// double quotes only the quotation mark can be escaped, and a backslash before
// anything else is one; between backquotes there are no escapes.
func word(value string) string {
	isPlaceholder := strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") && strings.Count(value, "{") == 1 && strings.Count(value, "}") == 1
	if value != "" && !strings.ContainsAny(value, " \t\r\n\"`#<\\") && (isPlaceholder || !strings.ContainsAny(value, "{}")) {
		return value
	}
	if strings.Contains(value, `\`) && !strings.Contains(value, "`") {
		return "`" + value + "`"
	}
	return `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
}

// canBeWord reports whether word can write the value: where a backquote demands
// double quotes, a backslash must not meet one.
func canBeWord(value string) bool {
	return !strings.Contains(value, "`") || !strings.Contains(value+`"`, `\"`)
}
