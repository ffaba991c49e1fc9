package command

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"      // the adapter
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy" // used in the config
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"            // Caddy's default
	_ "github.com/caddyserver/caddy/v2/modules/logging"                // used in the config
	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const (
	defaultFrom = "http://localhost:8080"
	defaultPath = "/api/webhooks"

	// exampleUpstream is the backend in a printed config if none is given.
	exampleUpstream = "localhost:3000"
)

// The values of --config-only.
const (
	configBoth      = "both"
	configCaddyfile = "caddyfile"
	configJSON      = "json"
)

var configFormats = []string{configBoth, configCaddyfile, configJSON}

func newProxyCommand() *cobra.Command {
	p := &proxy{}
	cmd := &cobra.Command{
		Use:   "proxy [flags]",
		Short: "Run a reverse proxy that guards a webhook endpoint",
		Long: `
Runs Caddy as a reverse proxy in front of your backend. It guards every path that
begins with /api/webhooks, such as /api/webhooks.json. --path sets another path. On
these paths, only genuine deliveries reach your backend.

Requests to other paths are not verified. They reach your backend, except a few:
for example, those to paths that some backends take for the endpoint, and to paths
with a . or .. segment. With --only, the command refuses every request to another
path.

At the start, the command sends an unsigned delivery to the endpoint. If the
guard does not refuse it, the command ends with an error. With --report-only, it
sends none, because the guard refuses nothing.

The proxy listens on this machine only, at http://localhost:8080. Point a
tunnel such as ngrok or cloudflared at that address. If --from is a domain,
Caddy gets a certificate for it, serves HTTPS on all interfaces, and answers 421
to requests for other hosts. With --from :8080, it serves HTTP on all interfaces,
for any host.

Without --to, a built-in backend answers every delivery with 200. Without a
secret, the command generates one and prints it. At the start it also prints a
command that sends an event.

When a delivery is finished, the command prints a line: arrival time, status,
duration, event type and subject. If the delivery was rejected, the line says why.
If your backend failed, the line says how. --json prints a JSON object instead, as in
the inspector's API. --quiet prints no deliveries.

The inspector is a page at http://localhost:4040. It shows each delivery and its
answer, replays deliveries, and sends examples of events. Only this machine can
open it. It keeps the last deliveries in memory. --inspect=off turns it off.

--config-only prints the configuration as a Caddyfile and as JSON, and does not
run it. --config-only=caddyfile or --config-only=json prints one of them. The
configuration does not contain the secrets. It names the environment variables or
files that hold them.

Caddy's admin endpoint is off, as in 'caddy reverse-proxy'.
`,
		Example: `  $ caddy clerk-webhook proxy
  $ caddy clerk-webhook proxy --to localhost:3000
  $ caddy clerk-webhook proxy --to localhost:3000 --event 'user.*' --event session.created
  $ caddy clerk-webhook proxy --to localhost:3000 --json | jq .type
  $ caddy clerk-webhook proxy --to localhost:3000 --from hooks.example.com
  $ caddy clerk-webhook proxy --to localhost:3000 --config-only=caddyfile > Caddyfile`,
		Args: func(cmd *cobra.Command, args []string) error {
			rest, err := takeOptionalValues(cmd, args)
			if err != nil {
				return err
			}
			return cobra.NoArgs(cmd, rest)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError(cmd, p.run(cmd))
		},
	}
	addProxyFlags(cmd, p)
	return cmd
}

func addProxyFlags(cmd *cobra.Command, p *proxy) {
	addSecretFlags(cmd)
	f := cmd.Flags()
	f.StringP("to", "t", "", "Address of your backend, such as localhost:3000 (default: one that accepts everything)")
	f.StringP("from", "f", defaultFrom, "Address, port or domain to listen on")
	f.StringVarP(&p.Path, "path", "p", defaultPath, "Path of the webhook endpoint")
	f.StringArrayP("event", "e", nil, "Event type or pattern to forward (repeatable; default: every event)")
	f.StringVar(&p.Name, "name", "", "Name of the endpoint in logs")
	f.BoolVar(&p.ReportOnly, "report-only", false, "Verify and log deliveries, but reject none")
	f.BoolVar(&p.Deduplicate, "deduplicate", false, "Forward each delivery once; when the command ends, it forgets handled deliveries")
	f.String(inspectFlag, defaultInspector, "Address of the inspector, or 'off'")
	f.Lookup(inspectFlag).NoOptDefVal = defaultInspector
	f.BoolVar(&p.Only, "only", false, "Serve only the endpoint: refuse requests to other paths")
	f.BoolVar(&p.AccessLog, "access-log", false, "Write an access log to standard error, without signatures")
	f.BoolVarP(&p.quiet, "quiet", "q", false, "Do not print deliveries")
	f.BoolVar(&p.asJSON, "json", false, "Print a JSON object for each delivery, and everything else to standard error")
	f.BoolVarP(&p.Debug, "debug", "v", false, "Write debug logs, with a line for each rejection")
	f.String("config-only", "", "Print the configuration and exit: caddyfile, json or both")
	f.Lookup("config-only").NoOptDefVal = configBoth
	_ = cmd.RegisterFlagCompletionFunc("event", completeTypes)
	_ = cmd.RegisterFlagCompletionFunc("config-only", cobra.FixedCompletions(configFormats, cobra.ShellCompDirectiveNoFileComp))
}

// proxy is what the command runs. The template of its Caddyfile reads the exported
// fields.
type proxy struct {
	Listener                      site
	Path, Name                    string
	Events                        []string
	Secrets                       []proxySecret
	ReportOnly, Deduplicate, Only bool
	AccessLog, Debug              bool
	Remembers                     bool  // what is handled, also after the command has ended
	Follows                       bool  // it prints deliveries
	Inspector                     *site // nil for none

	afterStart func(out io.Writer) error // runs when the proxy serves; it may never return
	keys       []*signature.Key

	tryAt   string   // where the command that it prints sends to; "" for the endpoint
	tryWith []string // values in that event's payload, path=value

	quiet, asJSON    bool // how deliveries are printed
	to               upstream
	generated        string // the secret, if none was given
	anyInspectorPort bool   // because none was asked for
}

// proxySecret is a secret as the config has it.
type proxySecret struct {
	Name        string // "" if its name is its position
	Placeholder string
	flag        string // how the user gave it, for the send command
	canSign     bool
}

func (p *proxy) run(cmd *cobra.Command) error {
	if err := p.readFlags(cmd); err != nil {
		return err
	}
	return p.runOrPrint(cmd)
}

func (p *proxy) runOrPrint(cmd *cobra.Command) error {
	if format, _ := cmd.Flags().GetString("config-only"); format != "" {
		return p.printConfig(cmd.OutOrStdout(), format)
	}
	out, deliveries := cmd.OutOrStdout(), cmd.OutOrStdout()
	if p.asJSON {
		out = cmd.ErrOrStderr()
	}
	return p.serve(out, deliveries)
}

func (p *proxy) readFlags(cmd *cobra.Command) error {
	if p.quiet && p.asJSON {
		return errors.New("--quiet and --json: give one of them")
	}
	p.Events = valuesOf(cmd, "event")
	for _, pattern := range p.Events {
		if err := event.Pattern(pattern).Validate(); err != nil {
			return fmt.Errorf("--event: %w", err)
		}
	}
	var err error
	if p.Path, err = parsePath(p.Path); err != nil {
		return err
	}
	if err := checkProxyName(p.Name); err != nil {
		return fmt.Errorf("--name %w", err)
	}
	from, _ := cmd.Flags().GetString("from")
	if p.Listener, err = parseSite(from); err != nil {
		return fmt.Errorf("--from %s: %w", from, err)
	}
	if err := p.parseTo(cmd); err != nil {
		return err
	}
	if err := p.parseInspect(cmd); err != nil {
		return err
	}
	return p.chooseSecrets(cmd)
}

func checkProxyName(name string) error {
	switch {
	case strings.Contains(name, "{"): // {$NAME} would be replaced, also between quotation marks
		return errors.New("cannot have a {, because a name has no placeholders")
	case !canBeToken(name):
		return fmt.Errorf("%q has a backquote, and a backslash at its end or before a quotation mark. A Caddyfile cannot hold both: remove one of them", name)
	}
	return nil
}

func (p *proxy) parseTo(cmd *cobra.Command) error {
	to, _ := cmd.Flags().GetString("to")
	if to == "" {
		if cmd.Flags().Changed("to") {
			return errors.New("--to is empty: give the address of your backend, such as localhost:3000")
		}
		return nil
	}
	var err error
	if p.to, err = parseUpstream(to); err != nil {
		return fmt.Errorf("--to %q: %w", to, err)
	}
	return p.checkLoop()
}

func (p *proxy) checkLoop() error {
	if p.Listener.isAt(p.to) {
		return fmt.Errorf("--to %s is the address of the proxy itself: give the address of your backend", p.to.address)
	}
	return nil
}

// chooseSecrets takes the secrets of the flags or the environment, or makes one. The
// config names variables and files only, so the secret of a flag is put into the
// environment of this process.
func (p *proxy) chooseSecrets(cmd *cobra.Command) error {
	given, err := readSecrets(cmd, newInput(cmd))
	if err != nil {
		return err
	}
	if len(given) == 0 {
		p.generated = signature.GenerateSecret()
		given = []diagnosis.Secret{diagnosis.NewSecret("1", p.generated)}
	}
	literal, paths := valuesOf(cmd, secretFlag), valuesOf(cmd, secretFileFlag)
	for i, secret := range given {
		key, err := secret.Parse()
		if err != nil {
			return err
		}
		p.keys = append(p.keys, key)
		s := proxySecret{canSign: key.Symmetric()}
		if secret.Name != strconv.Itoa(i+1) {
			s.Name = secret.Name
		}
		switch file := i - len(literal); {
		case p.generated != "":
			s.flag = " --" + secretFlag + " " + p.generated
		case i < len(literal):
			s.flag = " --" + secretFlag + " whsec_…"
		case file < len(paths):
			s.flag = " --" + secretFileFlag + " " + shell.Word(paths[file])
			s.Placeholder = filePlaceholder(paths[file])
		}
		if s.Placeholder == "" || s.Name != "" {
			if s.Placeholder, err = inEnvironment(i, secret.Text()); err != nil {
				return err
			}
		}
		p.Secrets = append(p.Secrets, s)
	}
	return nil
}

// filePlaceholder returns "" for a path that a placeholder cannot hold, and for what can
// be read only once: standard input and pipes.
func filePlaceholder(path string) string {
	absolute, err := filepath.Abs(path)
	info, statErr := os.Stat(absolute)
	if path == "-" || err != nil || statErr != nil || !info.Mode().IsRegular() || strings.ContainsAny(absolute, "{}") || strings.HasSuffix(absolute, `\`) || !canBeToken(absolute) {
		return ""
	}
	return "{file." + absolute + "}"
}

func inEnvironment(i int, text string) (placeholder string, err error) {
	variable := signature.SecretVariable
	if i > 0 {
		variable += "_" + strconv.Itoa(i+1)
	}
	return "{env." + variable + "}", os.Setenv(variable, strings.TrimSpace(text))
}

func (p *proxy) printConfig(out io.Writer, format string) error {
	if !slices.Contains(configFormats, format) {
		return fmt.Errorf("--config-only=%s: give %s or %s, or no value for both", format, configCaddyfile, configJSON)
	}
	text := p.caddyfile(cmp.Or(p.to.address, exampleUpstream), false)
	config, err := adapt(text)
	if err != nil {
		return err
	}
	if format != configJSON {
		if _, err := io.WriteString(out, text); err != nil {
			return err
		}
	}
	if format == configBoth {
		fmt.Fprint(out, "\n# The same as JSON:\n")
	}
	if format != configCaddyfile {
		var indented bytes.Buffer
		if err := json.Indent(&indented, config, "", "\t"); err != nil {
			return err
		}
		fmt.Fprintln(out, indented.String())
	}
	return nil
}

func adapt(text string) ([]byte, error) {
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), map[string]any{"filename": "(from flags)"})
	return config, err
}

// serve runs the proxy until a signal ends the process. Caddy stops gracefully, and
// at once at the second Ctrl-C.
func (p *proxy) serve(out, deliveries io.Writer) error {
	p.to.resolve(net.DefaultResolver.LookupNetIP)
	if err := errors.Join(p.checkLoop(), p.checkInspectorPort()); err != nil {
		return err
	}
	if err := p.Listener.checkFree(); err != nil {
		return listenError(err, "from", "http://localhost:8081")
	}
	if err := p.freeInspectorPort(); err != nil {
		return err
	}
	upstream, isEcho := p.to.address, p.to.address == ""
	if isEcho {
		var err error
		if upstream, err = startEcho(out); err != nil {
			return fmt.Errorf("starting the built-in backend: %w", err)
		}
	}
	ready := make(chan struct{})
	if !p.quiet {
		p.follow(deliveries, ready)
	}
	config, err := adapt(p.caddyfile(upstream, isEcho))
	if err != nil {
		return err
	}
	caddy.TrapSignals()
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	if err := p.announce(out); err != nil {
		return err
	}
	close(ready)
	if p.afterStart != nil {
		return p.afterStart(out)
	}
	select {}
}
