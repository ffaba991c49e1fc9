package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/backfill"
)

const (
	keyFileFlag        = "key-file"
	defaultConcurrency = 8
)

func newBackfillCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backfill [flags] [<id>...]",
		Short: "Send the users, organizations and memberships of Clerk as signed events",
		Long: `
Reads users from Clerk's Backend API and sends each to your endpoint as a
signed user.created. Your backend handles it like any other delivery. Use the
command to send users who existed before the endpoint. Use it also after an outage
that was longer than Svix's retries.

The secret key comes from the environment variable CLERK_SECRET_KEY or from
--key-file. It is never printed. If the key belongs to a production instance
(sk_live_) and the endpoint is not on this machine, the command asks before it
sends anything. With --yes, it does not ask.

--users, --organizations and --memberships say what to send. They are sent in
this order, whatever the order of the flags is. Without these flags, users are
sent. To send single objects, give their ids as arguments. --since sends only what
has changed since a time: 36h, 7d, 2026-11-01 (in UTC) or 2026-11-01T09:00:00Z.
--as updated sends user.updated instead of user.created, and so on.

--known-ids names a file with the ids of the users in your database, one per line.
After the users, the command also sends user.deleted for the ids that Clerk no longer
has. It sends no deletion at all if there would be more than --max-deletions, or if
Clerk has none of your ids.

An object that has not changed always gives the same svix-id. So you can run the
command again within the window of deduplicate, which is 48 hours by default: the
guard forwards each event only once.

--resume names a file in which the command saves its progress. If the command was
stopped, run it again with the same flags. It continues where it stopped. At the
end it removes the file.

If an event is refused, the command sends it again after 5 seconds and after 5
minutes, as Svix does. After that, it lists the event as refused. The command slows
down if your backend answers slowly, or answers 429 or 503.

Exit codes: 0 if no event was refused. 1 if an event was refused, if Clerk does not
have an id that you gave, or if the run stopped before its end. 2 if the command
could not start to send.
`,
		Example: `  $ caddy clerk-webhook backfill --dry-run
  $ caddy clerk-webhook backfill --to https://example.com/api/webhooks --resume backfill.json
  $ caddy clerk-webhook backfill --to https://example.com/api/webhooks --since 8d
  $ caddy clerk-webhook backfill --users --organizations --memberships --rate 50
  $ caddy clerk-webhook backfill user_3B1LthHJj28d4rw3owVgC6UxlZK
  $ psql -At -c 'SELECT id FROM users' | caddy clerk-webhook backfill --since 36h --known-ids -`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := newBackfillPlan(cmd, args)
			if err != nil {
				return usageError(cmd, err)
			}
			defer plan.close()
			return plan.run(cmd)
		},
	}
	addSecretFlags(cmd)
	f := cmd.Flags()
	f.StringP("to", "t", defaultEndpoint, "URL of the endpoint")
	for _, kind := range backfill.Kinds() {
		f.Bool(string(kind), false, "Send "+string(kind))
	}
	f.String("since", "", "Send only objects that have changed since this time: a time span such as 36h, or a date")
	f.String("as", backfill.Created, "The kind of event: created or updated")
	f.String("known-ids", "", "File with the ids of your users, one per line; - is standard input")
	f.String("max-deletions", "5%", "Send no user.deleted if there would be more than this: a share of the known ids, or a number")
	f.String("resume", "", "File in which to save the progress, so that a stopped run can continue")
	f.Bool("dry-run", false, "Send nothing: count, and show the first event of each type")
	f.Float64("rate", 0, "Maximum number of events per second; 0 is no limit")
	f.IntP("concurrency", "c", defaultConcurrency, "Maximum number of events in flight")
	f.Bool("json", false, "Print JSON: progress once a minute, refused events, and a summary")
	f.BoolP("yes", "y", false, "Do not ask before the users of a production instance are sent")
	f.String("api", backfill.DefaultAPI, "Address of Clerk's Backend API")
	f.String(keyFileFlag, "", "File with the secret key of Clerk; - is standard input")
	for _, flag := range []string{"known-ids", "resume", keyFileFlag} {
		_ = cmd.MarkFlagFilename(flag)
	}
	_ = cmd.RegisterFlagCompletionFunc("as", cobra.FixedCompletions([]string{backfill.Created, backfill.Updated}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

type backfillPlan struct {
	options backfill.Options
	key     backfill.Key
	to      *url.URL
	asJSON  bool
	yes     bool
	stdin   *input
	known   io.Closer // the file of --known-ids
}

func newBackfillPlan(cmd *cobra.Command, args []string) (*backfillPlan, error) {
	f := cmd.Flags()
	p := &backfillPlan{stdin: newInput(cmd)}
	p.asJSON, _ = f.GetBool("json")
	p.yes, _ = f.GetBool("yes")
	o := &p.options
	o.DryRun, _ = f.GetBool("dry-run")
	o.Resume, _ = f.GetString("resume")
	o.Notify = func(line string) { cmd.PrintErrln(printable(line, maxNotice)) }
	for _, step := range []func(*cobra.Command, []string) error{p.readTarget, p.readPace, p.readChoice, p.readSince, p.readDeletions, p.readKeys} {
		if err := step(cmd, args); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

const maxNotice = 500

func (p *backfillPlan) close() {
	if p.known != nil {
		_ = p.known.Close()
	}
}

func (p *backfillPlan) readTarget(cmd *cobra.Command, _ []string) (err error) {
	to, _ := cmd.Flags().GetString("to")
	if p.to, err = parseEndpoint(to); err != nil {
		return fmt.Errorf("--to: %w", err)
	}
	name := url.URL{Scheme: p.to.Scheme, Host: p.to.Host, Path: p.to.Path} // the rest of the URL may be secret
	p.options.To = name.String()
	return nil
}

func (p *backfillPlan) readPace(cmd *cobra.Command, _ []string) error {
	o := &p.options
	o.Concurrency, _ = cmd.Flags().GetInt("concurrency")
	o.Rate, _ = cmd.Flags().GetFloat64("rate")
	if o.Concurrency < 1 || o.Concurrency > maxConcurrency {
		return fmt.Errorf("--concurrency %d: give a number from 1 to %d", o.Concurrency, maxConcurrency)
	}
	if !(o.Rate >= 0) {
		return fmt.Errorf("--rate %v: give the maximum number of events per second, or 0 for no limit", o.Rate)
	}
	return nil
}

// readChoice reads what is to be sent.
func (p *backfillPlan) readChoice(cmd *cobra.Command, args []string) error {
	o := &p.options
	o.As, _ = cmd.Flags().GetString("as")
	if o.As != backfill.Created && o.As != backfill.Updated {
		return fmt.Errorf("--as %s: give %s or %s", o.As, backfill.Created, backfill.Updated)
	}
	for _, kind := range backfill.Kinds() {
		if wanted, _ := cmd.Flags().GetBool(string(kind)); wanted {
			o.Kinds = append(o.Kinds, kind)
		}
	}
	if len(args) > 0 {
		return p.readIDs(cmd, args)
	}
	if len(o.Kinds) == 0 {
		o.Kinds = []backfill.Kind{backfill.Users}
	}
	return nil
}

func (p *backfillPlan) readIDs(cmd *cobra.Command, args []string) error {
	o := &p.options
	for _, flag := range []string{"users", "organizations", "memberships", "since", "known-ids", "resume"} {
		if cmd.Flags().Changed(flag) {
			return fmt.Errorf("--%s cannot be used with single ids: remove one of them", flag)
		}
	}
	o.IDs = make(map[backfill.Kind][]string)
	for _, id := range args {
		kind, err := backfill.KindOf(id)
		if err != nil {
			return err
		}
		if !slices.Contains(o.IDs[kind], id) {
			o.IDs[kind] = append(o.IDs[kind], id)
		}
	}
	for _, kind := range backfill.Kinds() {
		if len(o.IDs[kind]) > 0 {
			o.Kinds = append(o.Kinds, kind)
		}
	}
	return nil
}

func (p *backfillPlan) readSince(cmd *cobra.Command, _ []string) (err error) {
	o := &p.options
	if !cmd.Flags().Changed("since") {
		return nil
	}
	o.SinceText, _ = cmd.Flags().GetString("since")
	o.Since, err = parseSince(o.SinceText, time.Now())
	return err
}

func parseSince(text string, now time.Time) (time.Time, error) {
	for _, form := range []string{time.DateOnly, time.RFC3339} {
		if at, err := time.Parse(form, text); err == nil && at.Before(now) {
			return at, nil
		} else if err == nil {
			return time.Time{}, fmt.Errorf("--since %s is in the future", text)
		}
	}
	if span, err := caddy.ParseDuration(text); err == nil && span > 0 {
		return now.Add(-span), nil
	}
	return time.Time{}, fmt.Errorf("--since %q: give a time span such as 36h or 7d, or a date such as 2026-11-01 or 2026-11-01T09:00:00Z", text)
}

func (p *backfillPlan) readDeletions(cmd *cobra.Command, _ []string) (err error) {
	o := &p.options
	limit, _ := cmd.Flags().GetString("max-deletions")
	if o.MaxDeletions, err = backfill.ParseLimit(limit); err != nil {
		return fmt.Errorf("--max-deletions: %w", err)
	}
	path, _ := cmd.Flags().GetString("known-ids")
	switch {
	case path == "" && cmd.Flags().Changed("max-deletions"):
		return errors.New("--max-deletions has no effect without --known-ids: add --known-ids, or remove --max-deletions")
	case path == "":
		return nil
	case !slices.Contains(o.Kinds, backfill.Users):
		return errors.New("--known-ids is about users: add --users")
	case path == "-":
		o.Known = &backfill.Known{Name: "standard input", Reader: p.stdin.stdin}
		p.stdin.takenBy = "known-ids"
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("--known-ids: %w", err)
	}
	p.known = file
	o.Known = &backfill.Known{Name: path, Reader: file}
	if err := o.Known.Check(); err != nil { // before anything is sent
		return fmt.Errorf("--known-ids: %w", err)
	}
	_, err = file.Seek(0, io.SeekStart)
	return err
}

// readKeys reads Clerk's secret key and, unless nothing is sent, the signing secret.
func (p *backfillPlan) readKeys(cmd *cobra.Command, _ []string) (err error) {
	if p.key, err = readClerkKey(cmd, p.stdin); err != nil {
		return err
	}
	api, _ := cmd.Flags().GetString("api")
	if p.options.Client, err = backfill.NewClient(api, p.key, p.options.Notify); err != nil {
		return fmt.Errorf("--api: %w", err)
	}
	if p.options.DryRun {
		return nil
	}
	keys, err := signingKeys(cmd, p.stdin, "")
	if err != nil {
		return err
	}
	p.options.Sender = &backfillSender{signer: &signer{keys: keys}, to: p.to.String(), client: newSvixClient(p.options.Concurrency)}
	return nil
}

func readClerkKey(cmd *cobra.Command, in *input) (backfill.Key, error) {
	source, text := backfill.KeyVariable, os.Getenv(backfill.KeyVariable)
	if path, _ := cmd.Flags().GetString(keyFileFlag); path != "" {
		content, err := in.read(keyFileFlag, path)
		if err != nil {
			return backfill.Key{}, err
		}
		source, text = "--"+keyFileFlag, string(content)
	} else if strings.TrimSpace(text) == "" {
		return backfill.Key{}, fmt.Errorf("no secret key of Clerk: set the environment variable %s, or give --%s. You find the key in the Clerk Dashboard, on the page \"API keys\"", backfill.KeyVariable, keyFileFlag)
	}
	key, err := backfill.ParseKey(text)
	if err != nil {
		return backfill.Key{}, fmt.Errorf("%s: %w", source, err)
	}
	return key, nil
}

// backfillSender sends as Svix does.
type backfillSender struct {
	signer *signer
	to     string
	client *http.Client
}

func (s *backfillSender) Send(ctx context.Context, id string, body []byte) backfill.Answer {
	r, err := s.signer.request(ctx, s.to, id, body)
	if err != nil {
		return backfill.Answer{Err: err}
	}
	start := time.Now()
	got, err := exchange(s.client, r)
	a := backfill.Answer{Status: got.status, Header: got.header, Took: time.Since(start), Text: got.text, Err: err}
	if got.location != "" {
		a.Text = "a redirect to " + got.location
	}
	return a
}

func (p *backfillPlan) run(cmd *cobra.Command) error {
	if err := p.confirm(cmd); err != nil {
		return usageError(cmd, err)
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	report := newBackfillReport(cmd, p)
	p.options.First = report.first
	p.options.Notify = report.notice
	run := backfill.New(p.options)
	err := report.follow(run, func() error { return run.Do(ctx) })
	if errors.Is(err, backfill.ErrSetup) {
		return usageError(cmd, err)
	}
	if !report.finish(run, err) {
		return answerNo(cmd)
	}
	return nil
}

// confirm asks before the users of a production instance go to another machine.
func (p *backfillPlan) confirm(cmd *cobra.Command) error {
	if p.yes || p.options.DryRun || !p.key.IsLive() || backfill.IsLoopback(p.to.Hostname()) {
		return nil
	}
	file, isFile := cmd.InOrStdin().(*os.File)
	if !isFile || p.stdin.takenBy != "" || !isTerminal(file) {
		return fmt.Errorf("the key is for a production instance (sk_live_), and the command would send its data to %s: give --yes if you want that", p.options.To)
	}
	return askToGoOn(file, cmd.ErrOrStderr(), p.options.To)
}

func askToGoOn(in io.Reader, out io.Writer, to string) error {
	fmt.Fprintf(out, "This sends data of a production instance to %s. Continue? [y/N] ", printable(to, maxNotice))
	answer := make([]byte, 16)
	n, _ := in.Read(answer) // no answer is a no
	switch strings.ToLower(strings.TrimSpace(string(answer[:n]))) {
	case "y", "yes":
		return nil
	}
	return errors.New("nothing was sent")
}
