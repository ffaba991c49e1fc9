package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/backfill"
)

// lineInterval is how often progress is reported to what is not a terminal.
const lineInterval = time.Minute

// backfillReport shows a run: its progress, the events that were refused, and what it
// did.
type backfillReport struct {
	errOut   io.Writer
	out      io.Writer
	colours  palette
	asJSON   bool
	dryRun   bool
	resume   string
	terminal bool // errOut is one
	interval time.Duration
	start    time.Time
	speed    speed

	mu      sync.Mutex
	written bool // whether there is a line of progress to clear
}

func newBackfillReport(cmd *cobra.Command, p *backfillPlan) *backfillReport {
	r := &backfillReport{
		out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(),
		asJSON: p.asJSON, dryRun: p.options.DryRun, resume: p.options.Resume,
		interval: lineInterval, start: time.Now(),
	}
	r.colours = paletteFor(r.out)
	if r.terminal = isTerminal(r.errOut) && !r.asJSON; r.terminal {
		r.interval = progressInterval
	}
	return r
}

// follow shows the progress until do returns.
func (r *backfillReport) follow(run *backfill.Run, do func() error) error {
	ended := make(chan error, 1)
	go func() { ended <- do() }()
	ticker := time.NewTicker(r.interval)
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			r.clear()
			return err
		case <-ticker.C:
			r.progress(run.Progress(), time.Now())
		}
	}
}

func (r *backfillReport) clear() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clearLine()
}

func (r *backfillReport) clearLine() {
	if r.written {
		fmt.Fprint(r.errOut, "\r\x1b[K")
		r.written = false
	}
}

// notice shows a line about what does not go as it should.
func (r *backfillReport) notice(line string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clearLine()
	fmt.Fprintln(r.errOut, printable(line, maxNotice))
}

// first shows the first event of a type in a dry run.
func (r *backfillReport) first(e backfill.Event) {
	if !r.dryRun {
		return
	}
	r.clear()
	if r.asJSON {
		_ = writeJSON(r.out, map[string]any{"event": map[string]any{"type": e.Type, "id": e.ID, "payload": json.RawMessage(e.Body)}})
		return
	}
	fmt.Fprintf(r.out, "The first %s, with the svix-id %s:\n%s\n\n", r.colours.bold(e.Type), e.ID, printable(string(e.Body), len(e.Body)))
}

func (r *backfillReport) progress(p backfill.Progress, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	perSecond := r.speed.of(p, now)
	left, isKnown := timeLeft(p, perSecond)
	switch {
	case r.asJSON:
		j := progressJSON{Phase: p.Phase, Done: p.Done, Total: p.Total, Accepted: p.AllAccepted(), Refused: p.Refused, Waiting: p.Waiting, Rate: perSecond}
		if isKnown {
			j.Left = left.Seconds()
		}
		_ = writeJSON(r.out, map[string]any{"progress": j})
		return
	case p.Phase == "":
		return
	}
	line := fmt.Sprintf("%s: %d", p.Phase, p.Done)
	if p.Total > 0 {
		line += fmt.Sprintf(" of %d", p.Total)
	}
	line += fmt.Sprintf(", %.3g a second", perSecond)
	if isKnown {
		line += fmt.Sprintf(", %s left", left)
	}
	if p.Waiting > 0 {
		line += fmt.Sprintf(", %d wait for another attempt", p.Waiting)
	}
	if p.Refused > 0 {
		line += fmt.Sprintf(", %d refused", p.Refused)
	}
	if r.terminal {
		fmt.Fprintf(r.errOut, "\r%s\x1b[K", line)
		r.written = true
		return
	}
	fmt.Fprintln(r.errOut, line)
}

type progressJSON struct {
	Phase    string  `json:"phase"`
	Done     int     `json:"done"`
	Total    int     `json:"total"`
	Accepted int     `json:"accepted"`
	Refused  int     `json:"refused"`
	Waiting  int     `json:"waiting"`
	Rate     float64 `json:"rate_per_s"`
	Left     float64 `json:"left_s,omitempty"`
}

// speed measures the last ten to twenty seconds of a phase.
type speed struct {
	began      time.Time
	from, next point
}

type point struct {
	at   time.Time
	done int
}

const speedWindow = 10 * time.Second

func (s *speed) of(p backfill.Progress, now time.Time) (perSecond float64) {
	if s.began != p.Began {
		first := point{p.Began, p.From}
		*s = speed{began: p.Began, from: first, next: first}
	}
	if now.Sub(s.next.at) >= speedWindow {
		s.from, s.next = s.next, point{now, p.Done}
	}
	span := now.Sub(s.from.at)
	if span <= 0 {
		return 0
	}
	return float64(p.Done-s.from.done) / span.Seconds()
}

func timeLeft(p backfill.Progress, perSecond float64) (left time.Duration, isKnown bool) {
	if perSecond <= 0 || p.Total <= p.Done {
		return 0, false
	}
	seconds := float64(p.Total-p.Done) / perSecond
	if seconds > (365 * 24 * time.Hour).Seconds() {
		return 0, false
	}
	return (time.Duration(seconds) * time.Second).Round(time.Second), true
}

// finish shows the result, and reports whether all is done.
func (r *backfillReport) finish(run *backfill.Run, err error) bool {
	p, refusals, missing := run.Progress(), run.Refusals(), run.Missing()
	if r.asJSON {
		r.finishJSON(run, p, err)
	} else {
		r.printCounts(p)
		r.printRefusals(refusals)
		for _, id := range missing {
			fmt.Fprintf(r.out, "Clerk has no %s\n", id)
		}
		r.printError(run, err)
	}
	return err == nil && len(refusals) == 0 && len(missing) == 0
}

func (r *backfillReport) printCounts(p backfill.Progress) {
	took, all := time.Since(r.start), p.AllAccepted()
	if r.dryRun {
		fmt.Fprintf(r.out, "%d events would be sent\n", all)
	} else {
		fmt.Fprintf(r.out, "%d events accepted in %s, %.4g a second\n", all, readable(took), float64(all)/took.Seconds())
	}
	for _, eventType := range slices.Sorted(maps.Keys(p.Accepted)) {
		fmt.Fprintf(r.out, "  %s  %d\n", eventType, p.Accepted[eventType])
	}
	if p.Unwanted > 0 {
		fmt.Fprintf(r.out, "%d not sent, because Clerk still has the user or the object has not changed since --since\n", p.Unwanted)
	}
}

func (r *backfillReport) printRefusals(refusals []backfill.Refusal) {
	if len(refusals) == 0 {
		return
	}
	fmt.Fprintf(r.out, "\n%s\n", r.colours.bad(fmt.Sprintf("%d events refused in all attempts:", len(refusals))))
	var again []string
	for _, refusal := range refusals {
		fmt.Fprintf(r.out, "  %s  %s  %s  %s\n", refusal.Event.Type, refusal.Event.Object,
			printable(refusal.Answer.Summary(), shownAnswer), printable(strings.TrimSpace(refusal.Answer.Text), shownAnswer))
		if !refusal.Event.IsDeletion() {
			again = append(again, refusal.Event.Object)
		}
	}
	if len(again) > 0 {
		fmt.Fprintf(r.out, "After you have fixed your backend, send only these events again, with the same --to and --as:\n  caddy clerk-webhook backfill %s\n", strings.Join(again, " "))
	}
	if len(again) < len(refusals) {
		fmt.Fprintln(r.out, "Deletions are sent again when you run the command again with --known-ids.")
	}
}

func (r *backfillReport) printError(run *backfill.Run, err error) {
	if err == nil {
		return
	}
	fmt.Fprintf(r.errOut, "The run stopped: %s.\n", printable(explainStop(err), maxNotice))
	switch {
	case errors.Is(err, backfill.ErrDeletions):
		fmt.Fprintln(r.errOut, "All other events were sent.")
	case run.CanResume():
		fmt.Fprintf(r.errOut, "Run the same command again: it continues from the progress in %s.\n", printable(r.resume, maxNotice))
	default:
		fmt.Fprintln(r.errOut, "Run the same command again. A guard with deduplicate does not forward an event that is done. With --resume, a run continues where it stopped.")
	}
}

func explainStop(err error) string {
	if errors.Is(err, context.Canceled) {
		return "a signal ended it"
	}
	return err.Error()
}

type refusedJSON struct {
	Type   string `json:"type"`
	Object string `json:"object"`
	ID     string `json:"id"`
	Status int    `json:"status,omitempty"`
	Answer string `json:"answer,omitempty"`
	Error  string `json:"error,omitempty"`
}

type backfillSummaryJSON struct {
	Complete bool           `json:"complete"`
	DryRun   bool           `json:"dry_run"`
	Accepted map[string]int `json:"accepted"`
	Refused  int            `json:"refused"`
	LeftOut  int            `json:"left_out"`
	Missing  []string       `json:"missing,omitempty"`
	Seconds  float64        `json:"duration_s"`
	Error    string         `json:"error,omitempty"`
	Resume   string         `json:"resume,omitempty"`
}

func (r *backfillReport) finishJSON(run *backfill.Run, p backfill.Progress, err error) {
	for _, refusal := range run.Refusals() {
		j := refusedJSON{Type: refusal.Event.Type, Object: refusal.Event.Object, ID: refusal.Event.ID, Status: refusal.Answer.Status, Answer: refusal.Answer.Text}
		if refusal.Answer.Err != nil {
			j.Error = refusal.Answer.Err.Error()
		}
		_ = writeJSON(r.out, map[string]any{"refused": j})
	}
	s := backfillSummaryJSON{
		Complete: err == nil, DryRun: r.dryRun, Accepted: p.Accepted, Refused: p.Refused, LeftOut: p.Unwanted,
		Missing: run.Missing(), Seconds: time.Since(r.start).Seconds(),
	}
	if err != nil {
		s.Error = explainStop(err)
		if run.CanResume() {
			s.Resume = r.resume
		}
	}
	_ = writeJSON(r.out, map[string]any{"summary": s})
}
