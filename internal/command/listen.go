package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
)

// longestSince bounds --since: the guard forgets after this time what the backend has handled.
const longestSince = 48 * time.Hour

func newListenCommand() *cobra.Command {
	l := &listening{}
	cmd := &cobra.Command{
		Use:   "listen [flags] [<url>]",
		Short: "Receive deliveries on your own machine through a relay, without a tunnel",
		Long: `
Connects to a relay, which hands deliveries to this machine. The guard verifies
them here, as in 'proxy', before your backend gets them. The inspector shows
them. The sender gets the answer of your backend. The flags of 'proxy' mean the
same here, but --from must be an address of this machine.

Without a URL, the command uses the public relay of Svix, and prints a URL.
In the Clerk Dashboard, add an endpoint with that URL. Then start the command again
with the endpoint's signing secret. All deliveries then pass through Svix's relay. The URL
stays the same the next time. --new makes another.

With a URL, the relay is your own: a Caddy whose clerk_webhook has the option
'relay'. Give the URL of that clerk_webhook and its signing secret. The secret
proves that you may listen. With --event and --match, the relay sends you only the
deliveries that match.

With --since 30m, you first get the deliveries that the relay has recorded in the
last 30 minutes. The relay needs the option 'inspect' for that. The guard on this
machine then remembers for 48 hours what your backend has handled, also after the
command ends, and does not forward it again.

If the connection is lost, the command connects again. If the relay refuses you, for
example because of a wrong secret, the command ends with an error. If the environment
variable HTTPS_PROXY is set, the command connects through the HTTP proxy that it names.
`,
		Example: `  $ caddy clerk-webhook listen --to localhost:3000
  $ caddy clerk-webhook listen wss://example.com/api/webhooks --to localhost:3000
  $ caddy clerk-webhook listen wss://example.com/api/webhooks --match data.id=user_29w83s --since 30m`,
		Args: func(cmd *cobra.Command, args []string) (err error) {
			if l.args, err = takeOptionalValues(cmd, args); err != nil {
				return err
			}
			return cobra.MaximumNArgs(1)(cmd, l.args)
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError(cmd, l.run(cmd))
		},
	}
	addProxyFlags(cmd, &l.proxy)
	f := cmd.Flags()
	f.Lookup("from").Usage = "Port, or address of this machine, to listen on"
	f.Lookup("deduplicate").Usage = "Forward each delivery once. Without --since, the command forgets handled deliveries when it ends"
	f.StringArray("match", nil, "Value that the payload must have, such as data.id=user_29w83s (repeatable; your own relay only)")
	f.String("since", "", "First get the deliveries of the last 30m, or of another duration (your own relay only)")
	f.Bool("new", false, "Make another URL at the public relay")
	return cmd
}

// listening is what the command runs: a proxy, and clients of a relay that feed it.
type listening struct {
	proxy
	args   []string // the URL of the relay, if it is given
	relay  relayAddress
	wishes relay.Wishes
}

func (l *listening) run(cmd *cobra.Command) error {
	var err error
	if l.relay, err = parseRelay(l.args); err != nil {
		return err
	}
	if err := l.readFlags(cmd); err != nil {
		return err
	}
	if !l.Listener.local {
		return errors.New("--from: give a port only, such as 8081, because listen gets all deliveries from the relay and serves only this machine")
	}
	if err := l.readWishes(cmd); err != nil {
		return err
	}
	isNew, _ := cmd.Flags().GetBool("new")
	token, err := l.token(isNew)
	if err != nil {
		return err
	}
	l.Remembers = l.wishes.Since > 0
	l.tryAt = withoutPassword(l.relay.sendURL(token))
	l.afterStart = func(out io.Writer) error { return l.listen(out, token) }
	return l.runOrPrint(cmd)
}

func (l *listening) readWishes(cmd *cobra.Command) error {
	matches, _ := cmd.Flags().GetStringArray("match")
	since, _ := cmd.Flags().GetString("since")
	if l.relay.isPublic && (len(matches) > 0 || since != "") {
		return errors.New("--match and --since: only a relay of your own can choose deliveries: give its URL, such as wss://example.com/api/webhooks")
	}
	l.wishes.Events = l.Events
	for _, match := range matches {
		path, value, found := strings.Cut(match, "=")
		if !found || path == "" {
			return fmt.Errorf("--match %q: write a path in the payload and its value, such as data.id=user_29w83s", match)
		}
		if err := relay.CheckPath(path); err != nil {
			return fmt.Errorf("--match %q: %w", match, err)
		}
		if l.wishes.Match == nil {
			l.wishes.Match = make(map[string]string)
		}
		l.wishes.Match[path] = value
	}
	l.tryWith = slices.Sorted(slices.Values(matches))
	if since == "" {
		return nil
	}
	duration, err := caddy.ParseDuration(since)
	if err != nil || duration < time.Second || duration > longestSince {
		return fmt.Errorf("--since %q: write a duration from 1s to 48h, such as 30m", since)
	}
	l.wishes.Since = int64(duration / time.Second)
	return nil
}

// token returns what shows the relay who listens: made of the signing secret for a
// relay of one's own, and by chance for a public one.
func (l *listening) token(isNew bool) (string, error) {
	if l.relay.isPublic {
		return l.relay.publicToken(isNew)
	}
	if isNew {
		return "", errors.New("--new is only for the public relay, and your own relay has one URL: remove --new")
	}
	if l.generated != "" {
		return "", fmt.Errorf("no signing secret, but your own relay needs that of the endpoint: give --%s or --%s, or set the environment variable CLERK_WEBHOOK_SIGNING_SECRET", secretFlag, secretFileFlag)
	}
	for _, key := range l.keys {
		if token := key.ListenToken(); token != "" {
			return token, nil
		}
	}
	return "", errors.New("a public key (whpk_…) is no secret, so it cannot show the relay that you may listen: give the endpoint's whsec_ secret")
}

// listen takes deliveries until the process ends, and returns an error where trying
// again is pointless.
func (l *listening) listen(out io.Writer, token string) error {
	fmt.Fprintf(out, "Listening at %s\n", withoutPassword(l.relay.listenURL))
	if l.relay.isPublic {
		fmt.Fprintf(out, "Paste this URL into the Clerk Dashboard (Configure > Webhooks > Add Endpoint):\n\n  %s\n\n", paletteFor(out).bold(l.tryAt))
	}
	local := newLocalEndpoint(l.endpoint())
	return l.relay.listen(context.Background(), relay.Client{
		URL:       l.relay.listenURL,
		Start:     relay.Start{Token: token, Wishes: l.wishes},
		MaxBody:   maxInput,
		Handle:    local.handle,
		Connected: func() { fmt.Fprintln(out, "Connected to the relay") },
		Lost: func(err error, again time.Duration) {
			fmt.Fprintf(out, "Not connected to the relay: %s. Trying again%s\n", printable(err.Error(), shownAnswer), in(again))
		},
	})
}

func in(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return " in " + d.String()
}
