package command

import (
	"strings"
	"text/template"
	"unicode"
)

// outcomeHeader tells the echo backend what the guard has found.
const outcomeHeader = "Clerk-Webhook-Outcome"

// proxyConfig is the Caddyfile that the proxy runs, as 'caddy fmt' would write it.
//
// Signatures are good for five minutes, so they are kept out of logs: the access
// log has the headers of every request, and the error log has those of requests
// whose backend fails.
var proxyConfig = template.Must(template.New("").Funcs(template.FuncMap{"token": token}).Parse(`
{{- define "withoutSignatures"}}format filter {
			request>headers>Svix-Signature delete
			request>headers>Webhook-Signature delete
		}
{{- end -}}
{{- define "arrival"}}
{{- if .Listener.Binds}}
	bind{{range .Listener.Binds}} {{.}}{{end}}
{{- end}}
{{- if .AccessLog}}
	log {
		{{template "withoutSignatures"}}
	}
{{- end}}
{{- end -}}
{
	# A proxy on a developer's machine needs no admin endpoint. Remove these two
	# lines for caddy reload, clerk-webhook forget and metrics.
	admin off
	persist_config off
{{- if .Plain}}
	servers {
		protocols h1
	}
{{- end}}
{{- if .Debug}}
	debug
{{- end}}
	log {
{{- if and .Plain (not .Debug)}}
		level WARN
		exclude admin
{{- end}}
{{- if .Follows}}
		exclude http.handlers.clerk_webhook.summary
{{- end}}
		{{template "withoutSignatures"}}
	}
}

{{token .Listener.Address}} {
{{- template "arrival" .}}
	handle {{token .Matcher}} {
		clerk_webhook {
{{- if .Name}}
			name {{token .Name}}
{{- end}}
{{- range .Secrets}}
			secret {{if .Name}}{{token .Name}} {{end}}{{token .Placeholder}}
{{- end}}
{{- if .Events}}
			events{{range .Events}} {{token .}}{{end}}
{{- end}}
{{- if .ReportOnly}}
			report_only
{{- end}}
{{- if .Remembers}}
			deduplicate 48h storage
{{- else if .Deduplicate}}
			deduplicate
{{- end}}
{{- if .Records}}
			inspect
{{- end}}
		}
		reverse_proxy {{token .Upstream}}
{{- if .Echo}} {
			header_up Clerk-Webhook-Outcome {http.clerk_webhook.outcome}
		}
{{- end}}
	}
	handle {
{{- if .Only}}
		respond 404
{{- else}}
		# Some backends take more requests for those of the endpoint than Caddy does,
		# or read one request as two. No guard has seen these.
		clerk_webhook_strict{{if ne .Path "/"}} {
			paths {{token .EscapedPrefix}}
		}
{{- end}}
		reverse_proxy {{token .Upstream}} {
			# Some backends read a body that they do not use as the next request on the
			# connection. Without keepalive, they close it instead.
			transport http {
				keepalive off
			}
{{- if .Echo}}
			header_up -Clerk-Webhook-Outcome
{{- end}}
		}
{{- end}}
	}
}
{{- if .Listener.OtherHosts}}

# Without this, Caddy would answer 200 to deliveries for other hosts, and lose them.
{{.Listener.OtherHosts}} {
{{- template "arrival" .}}
	respond "This host is not served here." 421
}
{{- end}}
{{- with .Inspector}}

{{token .Address}} {
	bind{{range .Binds}} {{.}}{{end}}
	clerk_webhook_inspector
}
{{- end}}
`))

func (p *proxy) caddyfile(upstream string, isEcho bool) string {
	var text strings.Builder
	err := proxyConfig.Execute(&text, struct {
		*proxy
		Upstream string
		Echo     bool
	}{p, upstream, isEcho})
	if err != nil {
		panic(err) // it writes to memory
	}
	return text.String()
}

// Plain reports whether the proxy serves HTTP only. Caddy warns that such a site
// cannot speak the other protocols, and tells of certificates at the other sites.
func (p *proxy) Plain() bool { return strings.HasPrefix(p.Listener.Address, "http:") }

// Records reports whether the guard records deliveries for something that shows them.
func (p *proxy) Records() bool { return p.Inspector != nil || p.Follows }

// token writes a value as one token of a Caddyfile. A placeholder is a token as it
// is. In double quotes only a quotation mark can be escaped, and any other backslash
// stays one. In backquotes nothing is escaped.
func token(value string) string {
	isPlaceholder := strings.HasPrefix(value, "{") && strings.HasSuffix(value, "}") && strings.Count(value, "{") == 1 && strings.Count(value, "}") == 1
	isOneWord := value != "" && !strings.ContainsFunc(value, unicode.IsSpace)
	if isOneWord && !strings.ContainsAny(value, "\"`#<\\") && (isPlaceholder || !strings.ContainsAny(value, "{}")) {
		return value
	}
	if strings.Contains(value, `\`) && !strings.Contains(value, "`") {
		return "`" + value + "`"
	}
	return `"` + strings.ReplaceAll(value, `"`, `\"`) + `"`
}

// canBeToken reports whether token can write the value. A value with a backquote
// needs double quotes, and no backslash may come before one.
func canBeToken(value string) bool {
	return !strings.Contains(value, "`") || !strings.Contains(value+`"`, `\"`)
}
