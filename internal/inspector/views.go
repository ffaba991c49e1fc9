package inspector

import (
	"crypto/tls"
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
)

// summaryView is an entry in a list, as the API has it.
type summaryView struct {
	ID         string    `json:"id"`
	Version    uint64    `json:"version"`
	Time       time.Time `json:"time"`
	State      string    `json:"state"`
	Origin     Origin    `json:"origin"`
	ReplayOf   string    `json:"replay_of"`
	Endpoint   string    `json:"endpoint"`
	Method     string    `json:"method"`
	URL        string    `json:"url"`
	RemoteAddr string    `json:"remote_addr"`
	ClientIP   string    `json:"client_ip"`
	Decision
	Subject    subject `json:"subject"`
	Size       int64   `json:"size"`
	Status     int     `json:"status"`
	DurationMS float64 `json:"duration_ms"`
	Passed     bool    `json:"passed"`
}

type entryView struct {
	summaryView
	SignedAt  *time.Time     `json:"signed_at"`
	AgeMS     float64        `json:"age_ms"`
	Stages    []stageView    `json:"stages"`
	Request   requestView    `json:"request"`
	Answer    answerView     `json:"answer"`
	Replay    replayView     `json:"replay"`
	Replays   []string       `json:"replays"`
	Notes     []noteView     `json:"notes"`
	Diagnosis *diagnosisView `json:"diagnosis"`
	Listeners []listenerView `json:"listeners"`
}

type listenerView struct {
	Heard
	AfterMS float64 `json:"after_ms"`
}

type stageView struct {
	Name       string  `json:"name"`
	StartMS    float64 `json:"start_ms"`
	DurationMS float64 `json:"duration_ms"`
}

type requestView struct {
	Protocol  string   `json:"protocol"`
	Host      string   `json:"host"`
	LocalAddr string   `json:"local_addr"`
	TLS       string   `json:"tls"`
	Headers   fields   `json:"headers"`
	Body      bodyView `json:"body"`
}

type answerView struct {
	State   string   `json:"state"`
	Status  int      `json:"status"`
	Headers fields   `json:"headers"`
	Body    bodyView `json:"body"`
	Error   string   `json:"error"`
}

type replayView struct {
	Possible bool   `json:"possible"`
	Signs    bool   `json:"signs"`
	Secret   string `json:"secret"`
	WhyNot   string `json:"why_not"`
}

type diagnosisView struct {
	Valid    bool                `json:"valid"`
	Verified bool                `json:"verified"`
	Secret   string              `json:"secret"`
	Findings []diagnosis.Finding `json:"findings"`
}

func (rc *Recorder) summarize(r *Recording) summaryView {
	s := summaryView{
		ID:         rc.id(r.seq),
		Version:    r.version,
		Time:       r.time.UTC(),
		State:      "done",
		Origin:     r.origin,
		Endpoint:   r.endpoint,
		Method:     r.request.method,
		URL:        r.url(),
		RemoteAddr: r.request.remoteAddr,
		ClientIP:   r.request.clientIP,
		Decision:   r.decision,
		Subject:    r.subject,
		Size:       r.request.body.size,
		Status:     r.status(),
		DurationMS: milliseconds(r.stages.answered),
		Passed:     r.stages.forwarded > 0,
	}
	if r.replayOf != 0 {
		s.ReplayOf = rc.id(r.replayOf)
	}
	if r.answer == nil {
		s.State = "pending"
	}
	return s
}

func (rc *Recorder) summarizeAll(recordings []*Recording) []summaryView {
	all := make([]summaryView, len(recordings))
	for i, r := range recordings {
		all[i] = rc.summarize(r)
	}
	return all
}

func (rc *Recorder) describe(r *Recording) entryView {
	v := entryView{
		summaryView: rc.summarize(r),
		AgeMS:       milliseconds(r.age()),
		Stages:      r.stages.view(),
		Request:     r.request.view(),
		Answer:      r.answer.view(),
		Replay:      rc.replayability(r),
		Replays:     rc.replaysOf(r),
		Notes:       rc.notesOn(r),
		Listeners:   []listenerView{},
	}
	for _, h := range r.listeners {
		v.Listeners = append(v.Listeners, listenerView{h, milliseconds(h.After)})
	}
	// A sender can name a year that JSON's dates cannot have.
	if at := r.decision.SignedAt.UTC(); !at.IsZero() && at.Year() <= 9999 {
		v.SignedAt = &at
	}
	if r.isRejected() {
		d := rc.diagnose(r)
		v.Diagnosis = &diagnosisView{d.Valid, d.Verified, d.Secret, append([]diagnosis.Finding{}, d.Findings...)}
	}
	return v
}

// replaysOf returns the ids of the replays of r, the oldest first.
func (rc *Recorder) replaysOf(r *Recording) []string {
	ids := []string{}
	for _, other := range rc.snapshot().recordings {
		if other.origin == Replayed && other.replayOf == r.seq {
			ids = append(ids, rc.id(other.seq))
		}
	}
	return ids
}

func (s stages) view() []stageView {
	views := []stageView{}
	add := func(name string, from, to time.Duration) {
		if to > from {
			views = append(views, stageView{name, milliseconds(from), milliseconds(to - from)})
		}
	}
	add("receive", 0, s.received)
	add("verify", s.received, s.verified)
	if s.forwarded > 0 {
		add("upstream", s.forwarded, s.answered)
	}
	return views
}

func (rq *request) view() requestView {
	v := requestView{
		Protocol: rq.protocol,
		Host:     rq.host,
		Headers:  rq.header.sorted(),
		Body:     rq.body.view(),
	}
	if rq.arrival.local != nil {
		v.LocalAddr = rq.arrival.local.String()
	}
	if rq.tls != nil {
		v.TLS = tls.VersionName(rq.tls.Version)
	}
	return v
}

func (a *answer) view() answerView {
	if a == nil {
		return answerView{State: "pending", Headers: fields{}, Body: body{state: unread}.view()}
	}
	return answerView{string(a.state), a.status, a.header.sorted(), a.body.view(), a.err}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

type endpointView struct {
	Name    string       `json:"name"`
	URL     string       `json:"url"`
	Secrets []secretView `json:"secrets"`
}

type secretView struct {
	Name  string `json:"name"`
	Signs bool   `json:"signs"`
}

type statusView struct {
	Run       string         `json:"run"`
	Program   string         `json:"program"`
	Started   time.Time      `json:"started"`
	Now       time.Time      `json:"now"`
	Streams   int            `json:"streams"`
	Verified  usage          `json:"verified"`
	Rejected  usage          `json:"rejected"`
	Endpoints []endpointView `json:"endpoints"`
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, h.recorder.status())
	return nil
}

func (rc *Recorder) status() statusView {
	v := statusView{Run: rc.run, Program: shell.Program(), Started: rc.started.UTC(), Now: time.Now().UTC(), Endpoints: []endpointView{}}
	rc.mu.Lock()
	v.Streams, v.Verified, v.Rejected = rc.streams, rc.verified.usage, rc.rejected.usage
	rc.mu.Unlock()
	for _, e := range rc.currentEndpoints() {
		url, _ := rc.locate(e)
		view := endpointView{Name: e.Name, URL: url, Secrets: []secretView{}}
		for _, s := range e.Secrets {
			view.Secrets = append(view.Secrets, secretView{s.Name, s.Key.Symmetric()})
		}
		v.Endpoints = append(v.Endpoints, view)
	}
	return v
}
