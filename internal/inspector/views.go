package inspector

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
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

// entryView is one entry with everything about it.
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

func (rc *Recorder) summarize(r *Recording) summaryView {
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
		Outcome:    r.decision.Outcome,
		Reason:     r.decision.Reason,
		Verified:   r.decision.Verified,
		Type:       r.decision.Type,
		MessageID:  r.decision.MessageID,
		Secret:     r.decision.Secret,
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
		Request:     r.request.view(r.verifiedSet()),
		Answer:      r.answer.view(),
		Replay:      rc.replayability(r),
		Replays:     rc.replaysOf(r),
	}
	// A sender can name a year that JSON's dates cannot have.
	if at := r.decision.SignedAt.UTC(); !at.IsZero() && at.Year() <= 9999 {
		v.SignedAt = &at
	}
	if r.isRejected() {
		d := rc.diagnose(r)
		v.Diagnosis = &diagnosisView{d.Valid, d.Verified, d.Secret, emptyIfNil(d.Findings)}
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

// view lists the stages that were reached, one after the other.
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

type queueView struct {
	Entries    int    `json:"entries"`
	Bytes      int64  `json:"bytes"`
	MaxEntries int    `json:"max_entries"`
	MaxBytes   int64  `json:"max_bytes"`
	Evicted    uint64 `json:"evicted"`
}

func (s *queue) view() queueView {
	return queueView{len(s.kept()), s.bytes, s.max, s.maxBytes, s.evicted}
}

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
	Started   time.Time      `json:"started"`
	Now       time.Time      `json:"now"`
	Streams   int            `json:"streams"`
	Verified  queueView      `json:"verified"`
	Rejected  queueView      `json:"rejected"`
	Endpoints []endpointView `json:"endpoints"`
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, h.recorder.status())
	return nil
}

func (rc *Recorder) status() statusView {
	v := statusView{Run: rc.run, Started: rc.started.UTC(), Now: time.Now().UTC(), Endpoints: []endpointView{}}
	rc.mu.Lock()
	v.Streams, v.Verified, v.Rejected = len(rc.watchers), rc.verified.view(), rc.rejected.view()
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

// diagnose says why r was rejected, at the time of its arrival and with the secrets
// of today's configuration.
func (rc *Recorder) diagnose(r *Recording) diagnosis.Result {
	current := rc.currentEndpoints()
	own := endpointOf(r, current)
	switch {
	case r.decision.Reason != string(signature.Mismatch):
		return diagnosis.Result{Findings: []diagnosis.Finding{byReason(r, own)}}
	case !r.request.body.isComplete():
		return diagnosis.Result{Findings: []diagnosis.Finding{{
			Code:    diagnosis.BodyTooLarge,
			Message: fmt.Sprintf("the inspector kept only %[2]d of the body's %[1]d bytes, so it cannot say why the signature does not match", r.request.body.size, len(r.request.body.data)),
		}}}
	}

	d := diagnosis.Delivery{Headers: make(map[string][]string), Body: r.request.body.data, Received: r.time}
	for _, f := range r.request.header {
		if !f.redacted {
			d.Headers[f.name] = append(d.Headers[f.name], f.value)
		}
	}
	for _, e := range current {
		for _, s := range e.Secrets {
			if e != own {
				d.OtherSecrets = append(d.OtherSecrets, diagnosis.Secret{Name: nameElsewhere(s, e, own), Key: s.Key})
				continue
			}
			d.Secrets = append(d.Secrets, s)
			d.Tolerance = e.Tolerance
		}
	}
	return diagnosis.Diagnose(d)
}

// nameElsewhere names a secret of another endpoint.
func nameElsewhere(s diagnosis.Secret, other, own *Endpoint) string {
	if own != nil && own.Name == other.Name {
		return s.Name + " of another endpoint called " + other.Name
	}
	return s.Name + " of " + other.Name
}

// byReason explains a rejection before the signature was checked. It proves nothing:
// the signature may be wrong, too.
func byReason(r *Recording, own *Endpoint) diagnosis.Finding {
	f := diagnosis.Finding{Code: diagnosis.Code(r.decision.Reason)}
	switch r.decision.Reason {
	case string(signature.TooOld), string(signature.TooNew):
		return clockFault(r, own)
	case string(signature.MissingHeader), string(signature.MalformedHeader):
		f.Message = headerFault(r)
	case "method_not_allowed":
		f.Message = "it is not a POST, and every delivery is one: look for a redirect, or for a sender that uses another method"
	case "body_too_large":
		f.Message = "the body is larger than max_body allows"
	case "body_timeout":
		f.Message = "the body did not arrive within body_timeout: look for what holds it up on its way"
	case "body_incomplete":
		f.Message = "the connection ended before the whole body had arrived"
	default:
		f.Message = "it was rejected before its body was read"
	}
	return f
}

func clockFault(r *Recording, own *Endpoint) diagnosis.Finding {
	tolerance := diagnosis.DefaultTolerance
	if own != nil {
		tolerance = own.Tolerance
	}
	if f, refused := diagnosis.Clock(r.decision.SignedAt, r.time, tolerance); refused {
		return f
	}
	return diagnosis.Finding{Code: diagnosis.Code(r.decision.Reason), Message: "the timestamp was further from the clock than tolerance allowed at that time"}
}

func headerFault(r *Recording) string {
	header := make(map[string][]string)
	for _, field := range r.request.header {
		header[field.name] = append(header[field.name], field.value)
	}
	if _, err := signature.ParseHeaders(header); err != nil {
		return err.Error() + ": look for a proxy that removes or changes headers. It may also be no delivery at all"
	}
	return "the headers of the signature are missing or malformed"
}
