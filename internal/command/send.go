package command

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const (
	defaultEndpoint = "http://localhost:8080/api/webhooks"

	// sendTimeout is how long Svix waits for an answer.
	sendTimeout = 15 * time.Second

	maxConcurrency = 1000
)

// The values of --invalid.
const (
	invalidSignature = "signature"
	invalidTimestamp = "timestamp"
	missingHeader    = "missing-header"
	invalidBody      = "body"
	reformatted      = "reformatted"
)

var invalidKinds = []string{invalidSignature, invalidTimestamp, missingHeader, invalidBody, reformatted}

func newSendCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "send [flags] <type>...",
		Short: "Send signed example events to an endpoint",
		Long: `
Sends one delivery for each event type, in the given order. A delivery is like
one of Clerk's: signed, and in compact JSON. Like Svix, the command waits 15
seconds for an answer and follows no redirect. A type can be a pattern: '*' sends
every event that Clerk sends. To send an event that Clerk no longer sends, write
its full name.

The payloads are fictional. Each run makes its own ids, times, email addresses,
user names and slugs. Within one run, all events are about the same user or
organization. With --count, each repetition is about a new one.

--data sends your own payload. --set changes a value in each payload. A value
that is not JSON becomes a string. With --data or --set, the command encodes the
payload as JavaScript's JSON.stringify does. A JavaScript backend that parses the
body and calls JSON.stringify then gets the same bytes, so it can still verify them.

--timestamp takes seconds since 1970, a time such as 2026-03-16T09:04:05Z, or an
offset from now such as -10m.

--invalid sends deliveries that are not genuine. Use it to check that your endpoint
refuses them. The kinds are:

  signature        the signature is made with another secret
  timestamp        the delivery is ten minutes old
  missing-header   svix-signature is missing
  body             the payload is changed after it was signed
  reformatted      the JSON is indented after it was signed

'reformatted' imitates a framework that parses the body and encodes it again with
other white space. 'verify' and the inspector find this cause.

With several secrets, every delivery has one signature for each, as Svix sends it
while a secret is rotated.

Exit codes: 0 if every delivery got a 2xx; 1 if one did not, if the endpoint cannot
be reached or if you stopped the command; 2 if the command could not run (wrong
flags, unreadable input, no secret). --invalid does not change them: if the endpoint
refuses the delivery, as it should, the exit code is 1.
`,
		Example: `  $ caddy clerk-webhook send user.created
  $ caddy clerk-webhook send user.created user.updated user.deleted
  $ caddy clerk-webhook send user.created --set data.first_name=Ada --set data.banned=true
  $ caddy clerk-webhook send user.created --invalid reformatted
  $ caddy clerk-webhook send --data payload.json --to http://localhost:3000/api/webhooks
  $ caddy clerk-webhook send user.created --count 10000 --concurrency 32`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeTypes,
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := newSendPlan(cmd, args)
			if err != nil {
				return usageError(cmd, err)
			}
			return plan.run(cmd)
		},
	}
	addSecretFlags(cmd)
	f := cmd.Flags()
	f.StringP("to", "t", defaultEndpoint, "URL of the endpoint")
	f.StringP("data", "d", "", "Payload to send instead of an example: a file, JSON, or - for standard input")
	f.StringArrayP("set", "s", nil, "Value to set in the payload, path=value (repeatable)")
	f.String("id", "", "svix-id of every delivery (default: a new one for each)")
	f.String("timestamp", "", "svix-timestamp of every delivery (default: now)")
	f.IntP("count", "n", 1, "How many times to send the events")
	f.IntP("concurrency", "c", 1, "How many deliveries to send at the same time")
	f.String("invalid", "", "Make the deliveries invalid: "+strings.Join(invalidKinds, ", "))
	f.Bool("json", false, "Print a JSON object for each delivery, and one for all at the end")
	_ = cmd.RegisterFlagCompletionFunc("invalid", cobra.FixedCompletions(invalidKinds, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func completeTypes(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return event.Catalogue(), cobra.ShellCompDirectiveNoFileComp
}

type sendPlan struct {
	types       []string
	data        []byte // canonical; if not nil, the only payload
	changes     []change
	signer      *signer
	to          *url.URL
	count       int
	concurrency int
	asJSON      bool
}

type change struct{ path, value string }

func newSendPlan(cmd *cobra.Command, args []string) (*sendPlan, error) {
	f := cmd.Flags()
	p := &sendPlan{}
	p.count, _ = f.GetInt("count")
	p.concurrency, _ = f.GetInt("concurrency")
	p.asJSON, _ = f.GetBool("json")
	if p.count < 1 {
		return nil, fmt.Errorf("--count %d sends nothing: give 1 or more", p.count)
	}
	if p.concurrency < 1 || p.concurrency > maxConcurrency {
		return nil, fmt.Errorf("--concurrency %d: give a number from 1 to %d", p.concurrency, maxConcurrency)
	}
	to, _ := f.GetString("to")
	var err error
	if p.to, err = parseEndpoint(to); err != nil {
		return nil, fmt.Errorf("--to: %w", err)
	}
	if p.changes, err = parseChanges(valuesOf(cmd, "set")); err != nil {
		return nil, err
	}
	in := newInput(cmd)
	if err := p.choosePayloads(cmd, in, args); err != nil {
		return nil, err
	}
	if p.signer, err = newSigner(cmd, in); err != nil {
		return nil, err
	}
	_, err = p.payloads(event.NewStory()) // finds bad changes before anything is sent
	return p, err
}

// parseEndpoint reads a URL. The scheme may be missing, and a port alone stands for
// this machine.
func parseEndpoint(s string) (*url.URL, error) {
	s, err := onThisMachine(s)
	if err != nil {
		return nil, err
	}
	if !strings.Contains(s, "://") {
		s = "http://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return nil, err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("%q is not a URL: write one such as %s", s, defaultEndpoint)
	}
	return u, nil
}

func parseChanges(pairs []string) ([]change, error) {
	var changes []change
	for _, pair := range pairs {
		path, value, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("--set %s: write path=value, such as data.id=user_123", pair)
		}
		changes = append(changes, change{path, value})
	}
	return changes, nil
}

// choosePayloads takes the payload of --data, or examples of the types that args
// select.
func (p *sendPlan) choosePayloads(cmd *cobra.Command, in *input, args []string) error {
	if data, _ := cmd.Flags().GetString("data"); data != "" {
		return p.takeData(in, data, args)
	}
	if len(args) == 0 {
		return errors.New("name the event types to send, such as user.created ('caddy clerk-webhook events' lists them), or give a payload with --data")
	}
	for _, arg := range args {
		types, err := typesToSend(arg)
		if err != nil {
			return err
		}
		p.types = append(p.types, types...)
	}
	return nil
}

func (p *sendPlan) takeData(in *input, data string, args []string) (err error) {
	payload := []byte(data)
	if !isInline(data) {
		if payload, err = in.read("data", data); err != nil {
			return err
		}
	}
	if p.data, err = event.Canonical(payload); err != nil {
		return fmt.Errorf("--data: %w", err)
	}
	eventType := string(event.TypeOf(p.data))
	if len(args) > 1 || len(args) == 1 && args[0] != eventType {
		return fmt.Errorf("the type in --data is %q: remove %s, or change the type with --set type=…", eventType, strings.Join(args, " "))
	}
	p.types = []string{eventType}
	return nil
}

// typesToSend omits types that Clerk no longer sends, unless one is named.
func typesToSend(arg string) ([]string, error) {
	types, err := selectTypes(arg)
	if err != nil || event.Pattern(arg).IsLiteral() {
		return types, err
	}
	types = slices.DeleteFunc(types, event.NoLongerSent)
	if len(types) == 0 {
		return nil, fmt.Errorf("no event that matches %s is still sent by Clerk: to send one of them, write its full name", arg)
	}
	return types, nil
}

// selectTypes returns the types of the catalogue that a pattern selects, creations
// first and deletions last.
func selectTypes(arg string) ([]string, error) {
	pattern := event.Pattern(arg)
	if err := pattern.Validate(); err != nil {
		return nil, err
	}
	types := slices.DeleteFunc(event.Catalogue(), func(t string) bool { return !pattern.Match(t) })
	if len(types) == 0 {
		message := fmt.Sprintf("Clerk sends no event %s", arg)
		if near := pattern.Nearest(); near != "" {
			message += ": did you mean " + near + "?"
		}
		return nil, errors.New(message)
	}
	slices.SortStableFunc(types, func(a, b string) int { return stage(a) - stage(b) })
	return types, nil
}

func stage(eventType string) int {
	switch {
	case strings.HasSuffix(eventType, ".created"):
		return 0
	case strings.HasSuffix(eventType, ".deleted"):
		return 2
	}
	return 1
}

type payload struct {
	eventType string
	body      []byte
}

func (p *sendPlan) payloads(story *event.Story) ([]payload, error) {
	all := make([]payload, 0, len(p.types))
	for _, eventType := range p.types {
		one, err := p.payload(story, eventType)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func (p *sendPlan) payload(story *event.Story, eventType string) (payload, error) {
	body := p.data
	if body == nil {
		body, _ = story.Tell(eventType, time.Now()) // the type is known
	}
	for _, c := range p.changes {
		var err error
		if body, err = event.Set(body, c.path, c.value); err != nil {
			return payload{}, fmt.Errorf("--set %s: %w", eventType, err)
		}
	}
	return payload{eventType: string(event.TypeOf(body)), body: body}, nil
}

func (p *sendPlan) run(cmd *cobra.Command) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()

	attempts := make(chan attempt)
	go func() {
		defer close(attempts)
		p.sendAll(ctx, attempts)
	}()
	report := newReport(cmd, p)
	report.follow(attempts)
	if !report.finish(ctx.Err() != nil) {
		return answerNo(cmd)
	}
	return nil
}

// sendAll makes all repetitions, several at a time. Each keeps its order.
func (p *sendPlan) sendAll(ctx context.Context, attempts chan<- attempt) {
	client := newSvixClient(p.concurrency)
	stories := make(chan struct{})
	var workers sync.WaitGroup
	for range min(p.concurrency, p.count) {
		workers.Go(func() {
			for range stories {
				p.sendStory(ctx, client, attempts)
			}
		})
	}
	for i := 0; i < p.count && ctx.Err() == nil; i++ {
		select {
		case stories <- struct{}{}:
		case <-ctx.Done():
		}
	}
	close(stories)
	workers.Wait()
	client.CloseIdleConnections()
}

// sendStory sends the events of one repetition, one after the other. A delivery that
// an interrupt cuts off does not count as an attempt.
func (p *sendPlan) sendStory(ctx context.Context, client *http.Client, attempts chan<- attempt) {
	story := event.NewStory()
	for _, eventType := range p.types {
		if ctx.Err() != nil {
			return
		}
		var a attempt
		one, err := p.payload(story, eventType)
		if err != nil {
			a = attempt{eventType: eventType, err: err}
		} else {
			a = p.send(ctx, client, one)
		}
		if ctx.Err() != nil && a.err != nil {
			return
		}
		attempts <- a
	}
}

func parseTimestamp(flag, s string, now time.Time) (time.Time, error) {
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil && s[0] != '-' && s[0] != '+' {
		if diagnosis.InMilliseconds(seconds) {
			return time.Time{}, fmt.Errorf("--%s %s is in milliseconds: give seconds", flag, s)
		}
		return time.Unix(seconds, 0), nil
	}
	if offset, err := time.ParseDuration(s); err == nil {
		return now.Add(offset), nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return at, nil
	}
	return time.Time{}, fmt.Errorf("--%s %s: give seconds since 1970, a time such as 2026-03-16T09:04:05Z, or an offset from now such as -10m", flag, s)
}
