package command

import (
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	// shownAnswer is how many characters of an answer are shown.
	shownAnswer = 300

	// shownFailures is how many failures are shown of many deliveries. countedErrors
	// is how many kinds of errors are counted separately.
	shownFailures = 5
	countedErrors = 10
	otherErrors   = "other errors"

	progressInterval = 200 * time.Millisecond
)

// report shows the results: each delivery if there are no repetitions, and otherwise
// the first failures and a summary. Its memory does not grow with the number of
// deliveries.
type report struct {
	out, errOut io.Writer
	rows        rows
	inspectors  *inspectors
	asJSON      bool
	each        bool // show each delivery
	progress    bool
	expected    int
	concurrency int
	start       time.Time

	sent, accepted int
	statuses       map[int]int
	errors         map[string]int
	times          histogram
}

func newReport(cmd *cobra.Command, p *sendPlan) *report {
	r := &report{
		out: cmd.OutOrStdout(), errOut: cmd.ErrOrStderr(),
		asJSON: p.asJSON, each: p.asJSON || p.count == 1,
		expected: p.count * len(p.types), concurrency: min(p.concurrency, p.count),
		start:      time.Now(),
		inspectors: newInspectors(p.to),
		statuses:   make(map[int]int), errors: make(map[string]int),
	}
	r.rows.colours = paletteFor(r.out)
	for _, eventType := range p.types {
		r.rows.typeWidth = max(r.rows.typeWidth, len(eventType))
	}
	r.progress = !r.each && isTerminal(r.errOut)
	return r
}

func (r *report) follow(attempts <-chan attempt) {
	var tick <-chan time.Time
	if r.progress {
		ticker := time.NewTicker(progressInterval)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case a, more := <-attempts:
			if !more {
				r.clearProgress()
				return
			}
			r.add(a)
		case <-tick:
			fmt.Fprintf(r.errOut, "\r%d of %d sent, %d not accepted\x1b[K", r.sent, r.expected, r.sent-r.accepted)
		}
	}
}

func (r *report) clearProgress() {
	if r.progress {
		fmt.Fprint(r.errOut, "\r\x1b[K")
	}
}

func (r *report) add(a attempt) {
	r.sent++
	if a.accepted() {
		r.accepted++
	}
	switch {
	case a.err != nil:
		r.countError(a.err.Error())
	default:
		r.statuses[a.status]++
		r.times.add(a.took)
	}
	isShown := r.each || !a.accepted() && r.sent-r.accepted <= shownFailures
	if isShown && !a.accepted() && a.status != 0 {
		a.found, _ = r.inspectors.find(a.id)
	}
	switch {
	case isShown && r.asJSON:
		_ = writeJSON(r.out, a.toJSON()) // a closed pipe ends the program
	case isShown:
		r.clearProgress()
		r.print(a)
	}
}

func (r *report) countError(message string) {
	if _, known := r.errors[message]; !known && len(r.errors) >= countedErrors {
		message = otherErrors
	}
	r.errors[message]++
}

// print shows one delivery: a row. Below a refused one, it shows what helps to find the cause.
func (r *report) print(a attempt) {
	answer := printable(strings.TrimSpace(a.text), shownAnswer)
	line := row{status: a.status, took: a.took, what: orNoType(a.eventType), about: printable(a.subject, shownSubject), note: answer}
	if !a.accepted() {
		line.tone, line.note = bad, r.whereToLook(a)
	}
	fmt.Fprintln(r.out, r.rows.format(line))
	if r.expected == 1 || r.each && !a.accepted() {
		fmt.Fprintf(r.out, "  %s\n", r.rows.colours.dim("svix-id "+printable(a.id, shownAnswer)))
	}
	for _, detail := range a.details() {
		fmt.Fprintf(r.out, "  %s\n", printable(detail, shownAnswer))
	}
}

// whereToLook names the inspector's page of a refused delivery. The report asks for each
// delivery that it shows.
func (r *report) whereToLook(a attempt) string {
	if a.found.url == "" {
		return ""
	}
	return "see " + a.found.url
}

// details says what is known about a refused delivery.
func (a attempt) details() (lines []string) {
	if a.accepted() {
		return nil
	}
	if a.err != nil {
		lines = append(lines, a.err.Error())
	}
	if a.location != "" {
		lines = append(lines, "a redirect to "+a.location+", which Svix does not follow: as the URL of the endpoint, use one that answers without a redirect")
	}
	answer := strings.TrimSpace(a.text)
	if answer != "" {
		lines = append(lines, answer)
	}
	switch {
	case a.found.reason != "":
		lines = append(lines, a.found.reason)
	case answer == "" && a.found.url == "" && (a.status == http.StatusBadRequest || a.status == http.StatusForbidden): // as of a guard
		lines = append(lines, "the guard's log and its inspector say why")
	}
	return lines
}

// finish prints the summary, and reports whether every delivery was sent and
// accepted.
func (r *report) finish(interrupted bool) bool {
	took := time.Since(r.start)
	if r.asJSON {
		_ = writeJSON(r.out, map[string]any{"summary": r.summary(took)})
	} else if r.expected > 1 {
		r.printSummary(took)
	}
	if interrupted && r.sent < r.expected {
		fmt.Fprintf(r.errOut, "interrupted: %d of %d sent\n", r.sent, r.expected)
	}
	return r.accepted == r.expected
}

func (r *report) printSummary(took time.Duration) {
	if r.each {
		fmt.Fprintf(r.out, "\n%d of %d accepted\n", r.accepted, r.sent)
		return
	}
	if hidden := r.sent - r.accepted - shownFailures; hidden > 0 {
		fmt.Fprintf(r.out, "and %d more not accepted\n", hidden)
	}
	fmt.Fprintf(r.out, "\n%d of %d accepted in %s, %.4g a second, %d at a time\n", r.accepted, r.sent, readable(took), r.rate(took), r.concurrency)
	for _, status := range slices.Sorted(maps.Keys(r.statuses)) {
		fmt.Fprintf(r.out, "  %d  %d\n", status, r.statuses[status])
	}
	for _, message := range slices.Sorted(maps.Keys(r.errors)) {
		fmt.Fprintf(r.out, "  %s  %d\n", printable(message, shownAnswer), r.errors[message])
	}
	if r.times.total > 0 {
		fmt.Fprintf(r.out, "time to the answer: p50 %s, p90 %s, p99 %s, longest %s\n",
			readable(r.times.percentile(50)), readable(r.times.percentile(90)), readable(r.times.percentile(99)), readable(r.times.max))
	}
}

func (r *report) rate(took time.Duration) float64 { return float64(r.sent) / took.Seconds() }

func readable(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(time.Microsecond).String()
}

type attemptJSON struct {
	Type     string  `json:"type"`
	Subject  string  `json:"subject,omitempty"`
	ID       string  `json:"id"`
	Accepted bool    `json:"accepted"`
	Status   int     `json:"status,omitempty"`
	Millis   float64 `json:"duration_ms"`
	Answer   string  `json:"answer,omitempty"`
	Location string  `json:"location,omitempty"`
	Error    string  `json:"error,omitempty"`

	// Inspector and Reason are there if an inspector on this machine has recorded the
	// refused delivery.
	Inspector string `json:"inspector,omitempty"`
	Reason    string `json:"reason,omitempty"`
}

func (a attempt) toJSON() attemptJSON {
	j := attemptJSON{Type: a.eventType, Subject: a.subject, ID: a.id, Accepted: a.accepted(), Status: a.status, Millis: millis(a.took), Answer: a.text, Location: a.location, Inspector: a.found.url, Reason: a.found.reason}
	if a.err != nil {
		j.Error = a.err.Error()
	}
	return j
}

type summaryJSON struct {
	Expected int            `json:"expected"`
	Sent     int            `json:"sent"`
	Accepted int            `json:"accepted"`
	Statuses map[int]int    `json:"statuses"`
	Errors   map[string]int `json:"errors"`
	Seconds  float64        `json:"duration_s"`
	Rate     float64        `json:"rate_per_s"`
	P50      float64        `json:"p50_ms"`
	P90      float64        `json:"p90_ms"`
	P99      float64        `json:"p99_ms"`
	Max      float64        `json:"max_ms"`
}

func (r *report) summary(took time.Duration) summaryJSON {
	return summaryJSON{
		Expected: r.expected, Sent: r.sent, Accepted: r.accepted,
		Statuses: r.statuses, Errors: r.errors,
		Seconds: took.Seconds(), Rate: r.rate(took),
		P50: millis(r.times.percentile(50)), P90: millis(r.times.percentile(90)),
		P99: millis(r.times.percentile(99)), Max: millis(r.times.max),
	}
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// histogram counts durations in steps of less than one percent. Its memory does not
// grow.
type histogram struct {
	counts [histogramSteps]int
	total  int
	max    time.Duration
}

const (
	// stepBits is how many bits of a duration count, after the first one.
	stepBits       = 7
	histogramSteps = (64 - stepBits) << stepBits
)

// step returns the step of a duration. Short durations have a step each.
func step(d time.Duration) int {
	n := uint64(max(d, 0))
	shift := max(bits.Len64(n)-stepBits-1, 0)
	return shift<<stepBits + int(n>>shift)
}

func stepEnd(step int) time.Duration {
	shift := max(step>>stepBits-1, 0)
	n := uint64(step - shift<<stepBits)
	return time.Duration((n+1)<<shift - 1)
}

func (h *histogram) add(d time.Duration) {
	h.counts[step(d)]++
	h.total++
	h.max = max(h.max, d)
}

// percentile returns the duration that p percent of all do not exceed. It is too
// long by less than one percent.
func (h *histogram) percentile(p float64) time.Duration {
	rank := int(math.Ceil(p / 100 * float64(h.total)))
	for s, count := range h.counts {
		if rank -= count; rank <= 0 && count > 0 {
			return min(stepEnd(s), h.max)
		}
	}
	return h.max
}
