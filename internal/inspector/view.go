package inspector

import (
	"cmp"
	"crypto/tls"
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// summaryView is an entry in a list. The names and forms are those of the API.
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
	Outcome    string    `json:"outcome"`
	Reason     string    `json:"reason"`
	Verified   bool      `json:"verified"`
	Type       string    `json:"type"`
	MessageID  string    `json:"message_id"`
	Secret     string    `json:"secret"`
	Size       int64     `json:"size"`
	Status     int       `json:"status"`
	DurationMS float64   `json:"duration_ms"`
	Passed     bool      `json:"passed"`
}

// entryView is one entry with all that is known about it.
type entryView struct {
	summaryView
	SignedAt  *time.Time     `json:"signed_at"`
	AgeMS     float64        `json:"age_ms"`
	Stages    []stageView    `json:"stages"`
	Request   requestView    `json:"request"`
	Answer    answerView     `json:"answer"`
	Replay    replayView     `json:"replay"`
	Replays   []string       `json:"replays"`
	Diagnosis *diagnosisView `json:"diagnosis"`
}

type stageView struct {
	Name       string  `json:"name"`
	StartMS    float64 `json:"start_ms"`
	DurationMS float64 `json:"duration_ms"`
}

type requestView struct {
	Protocol  string      `json:"protocol"`
	Host      string      `json:"host"`
	LocalAddr string      `json:"local_addr"`
	TLS       string      `json:"tls"`
	Headers   []fieldView `json:"headers"`
	Body      bodyView    `json:"body"`
}

type answerView struct {
	State   string      `json:"state"`
	Status  int         `json:"status"`
	Headers []fieldView `json:"headers"`
	Body    bodyView    `json:"body"`
	Error   string      `json:"error"`
}

type fieldView struct {
	Name     string `json:"name"`
	Value    string `json:"value"`
	Verified bool   `json:"verified"`
	Redacted bool   `json:"redacted"`
}

// replayView says what a replay would do.
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

func (rc *Recorder) summarize(r *Record) summaryView {
	s := summaryView{
		ID:         rc.id(r.seq),
		Version:    r.version,
		Time:       r.time.UTC(),
		State:      "done",
		Origin:     r.origin,
		ReplayOf:   rc.id(r.replayOf),
		Endpoint:   r.endpoint,
		Method:     r.request.method,
		URL:        r.url(),
		RemoteAddr: r.request.remoteAddr,
		Outcome:    r.verdict.Outcome,
		Reason:     r.verdict.Reason,
		Verified:   r.verdict.Verified,
		Type:       r.verdict.Type,
		MessageID:  r.verdict.MessageID,
		Secret:     r.verdict.Secret,
		Size:       r.request.body.size,
		Status:     r.status(),
		DurationMS: milliseconds(r.stages.answered),
		Passed:     r.stages.forwarded > 0,
	}
	if r.answer == nil {
		s.State = "pending"
	}
	return s
}

func (rc *Recorder) summarizeAll(records []*Record) []summaryView {
	all := make([]summaryView, len(records))
	for i, r := range records {
		all[i] = rc.summarize(r)
	}
	return all
}

func (rc *Recorder) describe(r *Record) entryView {
	v := entryView{
		summaryView: rc.summarize(r),
		AgeMS:       milliseconds(r.age()),
		Stages:      r.stages.view(),
		Request:     r.request.view(verifiedSet(r)),
		Answer:      r.answer.view(),
		Replay:      rc.replayability(r),
		Replays:     rc.replaysOf(r),
	}
	// A sender can name years that JSON's dates do not have.
	if at := r.verdict.SignedAt.UTC(); !at.IsZero() && at.Year() <= 9999 {
		v.SignedAt = &at
	}
	if r.isRejected() {
		d := rc.diagnose(r)
		v.Diagnosis = &diagnosisView{d.Valid, d.Verified, d.Secret, emptyIfNil(d.Findings)}
	}
	return v
}

// replaysOf returns the ids of the replays of r, the oldest first.
func (rc *Recorder) replaysOf(r *Record) []string {
	ids := []string{}
	for _, other := range rc.snapshot().records {
		if other.origin == Replayed && other.replayOf == r.seq {
			ids = append(ids, rc.id(other.seq))
		}
	}
	return ids
}

// view lists the stages that took place, one after the other.
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

func (rq *request) view(verified *signature.HeaderSet) requestView {
	v := requestView{
		Protocol: rq.protocol,
		Host:     rq.host,
		Headers:  viewFields(rq.header, verified),
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

// verifiedSet returns the headers that the signature has proven, or nil.
func verifiedSet(r *Record) *signature.HeaderSet {
	switch {
	case !r.verdict.Verified:
		return nil
	case headerValue(r.request.header, signature.SvixHeaders.ID) != "":
		return signature.SvixHeaders
	}
	return signature.StandardHeaders
}

func viewFields(fields []field, verified *signature.HeaderSet) []fieldView {
	views := make([]fieldView, len(fields))
	for i, f := range fields {
		views[i] = fieldView{Name: f.name, Value: f.value, Redacted: f.redacted}
		if verified != nil {
			views[i].Verified = f.name == verified.ID || f.name == verified.Timestamp || f.name == verified.Signature
		}
	}
	slices.SortStableFunc(views, func(a, b fieldView) int { return cmp.Compare(a.Name, b.Name) })
	return views
}

func (a *answer) view() answerView {
	if a == nil {
		return answerView{State: "pending", Headers: []fieldView{}, Body: body{state: unread}.view()}
	}
	return answerView{string(a.state), a.status, viewFields(a.header, nil), a.body.view(), a.err}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func emptyIfNil[E any](list []E) []E {
	if list == nil {
		return []E{}
	}
	return list
}
