package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const (
	// shownRejections is how many rejected deliveries are shown of one look, ten of
	// which fit into a second. Strangers can send any number of them.
	shownRejections = 5

	// shownSubject and shownCause are how many characters of these are shown.
	shownSubject = 80
	shownCause   = 200

	// diagnosisPause is the time without a diagnosis after each one. Strangers choose
	// how many mismatches there are, and a large one takes a core for a second.
	diagnosisPause = time.Second
	notDiagnosed   = "the cause was not looked for, because another mismatch came just before"
)

// deliveryLog prints a line for each delivery.
type deliveryLog struct {
	out         io.Writer
	rows        rows
	asJSON      bool
	namesSecret bool // because there are several
	diagnosed   time.Time
}

// follow prints deliveries as they end. What ends before ready is closed is printed
// then.
func (p *proxy) follow(out io.Writer, ready <-chan struct{}) {
	p.Follows = true
	log := &deliveryLog{out: out, rows: rows{colours: paletteFor(out)}, asJSON: p.asJSON, namesSecret: len(p.Secrets) > 1}
	recorder := inspector.Acquire() // until the process ends
	ctx, stop := context.WithCancel(context.Background())
	isDone := make(chan struct{})
	go func() {
		defer close(isDone)
		recorder.Follow(ctx, p.Inspector == nil, func(ended []inspector.Ended, missed uint64) {
			<-ready
			log.show(ended, missed)
		})
	}()
	caddy.OnExit(func(context.Context) {
		select {
		case <-ready: // else there is nothing to show
			stop()
			<-isDone
		default:
		}
	})
}

func (l *deliveryLog) show(ended []inspector.Ended, missed uint64) {
	rejections := 0
	for _, e := range ended {
		if isRejected(e) {
			if rejections++; rejections > shownRejections {
				missed++
				continue
			}
		}
		if l.asJSON {
			_ = writeJSON(l.out, endedJSON{Ended: e, Cause: l.causeOf(e), Failure: e.Failure()}) // a closed pipe ends the program
			continue
		}
		fmt.Fprintln(l.out, l.line(e))
	}
	switch {
	case missed == 0:
	case l.asJSON:
		_ = writeJSON(l.out, map[string]uint64{"not_shown": missed})
	default:
		fmt.Fprintf(l.out, "%s  and %d more, too many to show\n", l.rows.colours.dim(clock(time.Now())), missed)
	}
}

// endedJSON is an entry in a list of the inspector's API, and what such a list leaves
// out.
type endedJSON struct {
	inspector.Ended
	Cause   string `json:"cause"`
	Failure string `json:"failure"`
}

// causeOf says why a delivery was rejected, if it was.
func (l *deliveryLog) causeOf(e inspector.Ended) string {
	if e.Reason != string(signature.Mismatch) {
		return e.Cause()
	}
	if time.Since(l.diagnosed) < diagnosisPause {
		return notDiagnosed
	}
	defer func() { l.diagnosed = time.Now() }()
	return e.Cause()
}

func clock(at time.Time) string { return at.Local().Format("15:04:05") }

func (l *deliveryLog) line(e inspector.Ended) string {
	r := row{status: e.Status, took: time.Duration(e.DurationMS * float64(time.Millisecond)), what: orNoType(e.Subject.Type)}
	subject := printable(e.Subject.Text, shownSubject)
	switch {
	case isRejected(e):
		r.tone, r.what, r.about = bad, "rejected", l.rejectionOf(e)
	case e.Outcome == "filtered":
		r.tone, r.about, r.note = quiet, subject, "filtered, as its type is not selected"
	case e.Outcome == "duplicate":
		r.tone, r.about, r.note = quiet, subject, duplicateNote(e)
	case !e.Passed || e.Status/100 != 2 || e.Failure() != "":
		r.tone, r.about, r.note = alarming, subject, failureOf(e)
	default:
		r.about, r.note = subject, l.sourceOf(e)
	}
	return l.rows.colours.dim(clock(e.Time)) + "  " + l.rows.format(r)
}

func isRejected(e inspector.Ended) bool { return e.Outcome == "rejected" }

func orNoType(eventType string) string {
	if eventType == "" {
		return "(no type)"
	}
	return printable(eventType, shownSubject)
}

// rejectionOf says why, and then what the sender claims. Anybody may have written
// that.
func (l *deliveryLog) rejectionOf(e inspector.Ended) string {
	cause, _, _ := strings.Cut(l.causeOf(e), ": ") // the inspector shows the advice, too
	text := e.Reason + ": " + printable(cause, shownCause)
	if e.Passed {
		text = "let through by --report-only, " + text
	}
	if claimed := e.Subject.Type; claimed != "" {
		text += fmt.Sprintf(" (claims to be %s", printable(claimed, shownSubject))
		if subject := e.Subject.Text; subject != "" {
			text += " of " + printable(subject, shownSubject)
		}
		text += ")"
	}
	return text
}

func duplicateNote(e inspector.Ended) string {
	if e.Reason == "in_progress" {
		return "not forwarded: a copy is in progress"
	}
	return "not forwarded: it is a copy of a delivery that is done"
}

func failureOf(e inspector.Ended) string {
	if failure := e.Failure(); failure != "" {
		return "YOUR BACKEND FAILED: " + printable(failure, shownCause)
	}
	return fmt.Sprintf("YOUR BACKEND ANSWERED %d, so Svix would send it again", e.Status)
}

// sourceOf says what is unusual about a delivery that has arrived.
func (l *deliveryLog) sourceOf(e inspector.Ended) string {
	switch {
	case e.Origin == inspector.Replayed:
		return "a replay"
	case e.Origin == inspector.Example:
		return "an example"
	case l.namesSecret:
		return "secret " + printable(e.Secret, shownSubject)
	}
	return ""
}
