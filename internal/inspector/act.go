package inspector

import (
	"net/http"
	"time"
)

type replayCall struct {
	edits
	Secret string `json:"secret"`
}

func (h *Handler) replay(w http.ResponseWriter, r *http.Request) error {
	var call edits
	return h.act(w, r, &call, func(record *Record) (*outgoing, error) {
		return h.recorder.replay(record, call)
	})
}

func (h *Handler) signAndReplay(w http.ResponseWriter, r *http.Request) error {
	var call replayCall
	return h.act(w, r, &call, func(record *Record) (*outgoing, error) {
		return h.recorder.signAndReplay(record, call.edits, call.Secret)
	})
}

// act reads a call about an entry, and sends what prepare makes of it.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, call any, prepare func(*Record) (*outgoing, error)) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	if err := readCall(w, r, call); err != nil {
		return err
	}
	o, err := prepare(record)
	if err != nil {
		return err
	}
	return h.deliver(w, r, o)
}

func (h *Handler) send(w http.ResponseWriter, r *http.Request) error {
	var call exampleCall
	if err := readCall(w, r, &call); err != nil {
		return err
	}
	o, err := h.recorder.example(call, r.RemoteAddr)
	if err != nil {
		return err
	}
	return h.deliver(w, r, o)
}

// sentView is what came of a replay or an example.
type sentView struct {
	Entry      string     `json:"entry"`
	ReplayOf   string     `json:"replay_of"`
	MessageID  string     `json:"message_id"`
	Signed     bool       `json:"signed"`
	Secret     string     `json:"secret"`
	Guarded    bool       `json:"guarded"`
	Endpoint   string     `json:"endpoint"`
	Outcome    string     `json:"outcome"`
	Reason     string     `json:"reason"`
	Note       string     `json:"note"`
	DurationMS float64    `json:"duration_ms"`
	Answer     answerView `json:"answer"`
}

const notGuarded = "no endpoint that records deliveries has seen it: its route is gone, or inspect is off there now"

func (h *Handler) deliver(w http.ResponseWriter, r *http.Request, o *outgoing) error {
	start := time.Now()
	a, err := h.recorder.send(r.Context(), o, h.logger)
	if err != nil {
		return err
	}
	v := sentView{
		ReplayOf:   h.recorder.id(o.mark.of),
		MessageID:  o.messageID,
		Signed:     o.secret != "",
		Secret:     o.secret,
		Note:       notGuarded,
		DurationMS: milliseconds(time.Since(start)),
		Answer:     a.view(),
	}
	if record := o.mark.record.Load(); record != nil {
		v.Entry, v.Guarded, v.Note = h.recorder.id(record.seq), true, ""
		v.Endpoint, v.Outcome, v.Reason = record.endpoint, record.verdict.Outcome, record.verdict.Reason
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}
