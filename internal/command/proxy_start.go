package command

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// announce says what the proxy guards, after it has seen that the guard refuses an
// unsigned delivery.
func (p *proxy) announce(out io.Writer) error {
	if !p.ReportOnly { // otherwise the delivery would reach the backend
		if err := p.Listener.checkGuarded(out, p.endpoint(), certificateWait); err != nil {
			return err
		}
	}
	p.printStart(out)
	return nil
}

func (p *proxy) printStart(out io.Writer) {
	colours := paletteFor(out)
	backend := p.to.address
	if backend == "" {
		backend = "a built-in backend that accepts everything"
	}
	does := "Guarding"
	if p.ReportOnly {
		does = "Watching"
	}
	fmt.Fprintf(out, "%s %s, forwarding to %s\n", does, colours.bold(p.endpoint()), colours.bold(backend))
	fmt.Fprintf(out, "  secrets      %s\n", p.describeSecrets())
	fmt.Fprintf(out, "  events       %s\n", p.describeEvents())
	fmt.Fprintf(out, "  paths        %s\n", p.describePaths())
	if p.ReportOnly {
		fmt.Fprintln(out, "  report only  no delivery is refused, so the guard was not tried at the start")
	}
	if p.Deduplicate {
		fmt.Fprintln(out, "  deduplicate  a delivery that was handled is not forwarded again")
	}
	if p.Inspector != nil {
		fmt.Fprintf(out, "  inspector    %s\n", colours.bold(p.Inspector.url))
	}
	if try := p.tryCommand(); try != "" {
		fmt.Fprintf(out, "\nTry it from a second terminal:\n\n  %s\n\n", colours.bold(try))
	}
}

func (p *proxy) describeSecrets() string {
	if p.generated != "" && strings.TrimSpace(os.Getenv(signature.TutorialVariable)) != "" {
		return fmt.Sprintf("%s (generated: %s is ignored, because the guard reads %s)", p.generated, signature.TutorialVariable, signature.SecretVariable)
	}
	if p.generated != "" {
		return p.generated + " (generated)"
	}
	var sources []string
	for _, s := range p.Secrets {
		source := strings.Trim(s.Placeholder, "{}")
		if kind, rest, ok := strings.Cut(source, "."); ok && kind == "file" {
			source = rest
		} else if s.flag == "" {
			source = "$" + rest
		} else {
			source = "as given"
		}
		if s.Name != "" {
			source = printable(s.Name, shownAnswer) + ", " + source
		}
		sources = append(sources, source)
	}
	return strings.Join(sources, "; ")
}

func (p *proxy) describeEvents() string {
	if len(p.Events) == 0 {
		return "every event"
	}
	return strings.Join(p.Events, ", ")
}

func (p *proxy) describePaths() string {
	guarded := "those that begin with " + p.Path + " are guarded; "
	switch {
	case p.guardsAll():
		return "all are guarded"
	case p.Only:
		return guarded + "others are refused"
	}
	return guarded + "others are not verified"
}

// tryCommand returns the command line that sends an event to the proxy, or "" if no
// secret can sign.
func (p *proxy) tryCommand() string {
	for _, s := range p.Secrets {
		if !s.canSign {
			continue
		}
		line := shell.Program() + " clerk-webhook send " + p.exampleType()
		if to := cmp.Or(p.tryAt, p.endpoint()); to != defaultEndpoint {
			line += " --to " + shell.Word(to)
		}
		for _, change := range p.tryWith {
			line += " --set " + shell.Word(change)
		}
		return line + s.flag
	}
	return ""
}

func (p *proxy) exampleType() string {
	const usual = "user.created"
	if len(p.Events) == 0 {
		return usual
	}
	for _, pattern := range p.Events {
		if event.Pattern(pattern).Match(usual) {
			return usual
		}
	}
	for _, eventType := range event.Catalogue() {
		for _, pattern := range p.Events {
			if event.Pattern(pattern).Match(eventType) {
				return eventType
			}
		}
	}
	return usual
}
