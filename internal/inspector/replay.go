package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

var (
	errBodyCut    = newCallError(http.StatusConflict, "body_cut", "the body was not read, or not kept whole: edit the replay and give it a body")
	errCannotSign = newCallError(http.StatusConflict, "cannot_sign", "the configuration has no secret of this endpoint that can sign: add the whsec_ secret")
)

type edits struct {
	Body    *string            `json:"body"`
	Type    *string            `json:"type"`
	Headers map[string]*string `json:"headers"`
	NewID   bool               `json:"new_id"`
}

// replaySigner returns the secret that signs a replay of r. A replay is not signed
// if the original was rejected, or if the key that verified it cannot sign.
func (rc *Recorder) replaySigner(r *Recording) (secret diagnosis.Secret, signs bool, err error) {
	if !r.decision.Verified {
		return diagnosis.Secret{}, false, nil
	}
	secret, found := rc.secretOf(r)
	switch {
	case !found:
		return diagnosis.Secret{}, false, errCannotSign
	case !secret.Key.Symmetric():
		return diagnosis.Secret{}, false, nil
	}
	return secret, true, nil
}

func (rc *Recorder) replayability(r *Recording) replayView {
	secret, signs, err := rc.replaySigner(r)
	switch {
	case err != nil:
		return replayView{WhyNot: err.Error()}
	case !r.request.body.isComplete():
		return replayView{Signs: signs, Secret: secret.Name, WhyNot: errBodyCut.Error()}
	}
	return replayView{Possible: true, Signs: signs, Secret: secret.Name}
}

// replay prepares to send r again. It signs r again with the secret that verified
// it. If there is none that can sign, r is sent as it was received.
func (rc *Recorder) replay(r *Recording, e edits) (*outgoing, error) {
	secret, signs, err := rc.replaySigner(r)
	if err != nil {
		return nil, err
	}
	o, err := prepare(r, e)
	if err != nil || !signs {
		return o, err
	}
	return o, o.sign(secret, r.headerSet(), idFor(r, e), time.Now())
}

// signAndReplay prepares to send r as a genuine delivery, even if r was not.
func (rc *Recorder) signAndReplay(r *Recording, e edits, secretName string) (*outgoing, error) {
	endpoint := endpointOf(r, rc.currentEndpoints())
	if endpoint == nil {
		return nil, errCannotSign
	}
	secret, found := endpoint.signer(secretName)
	if !found {
		return nil, errCannotSign
	}
	o, err := prepare(r, e, "Connection") // it may name a signed header, and the guard would refuse that
	if err != nil {
		return nil, err
	}
	o.target.method = http.MethodPost
	return o, o.sign(secret, r.headerSet(), idFor(r, e), time.Now())
}

// prepare returns r as it was received, with the edits and without some headers.
func prepare(r *Recording, e edits, without ...string) (*outgoing, error) {
	o := &outgoing{
		dispatch:  &dispatch{origin: Replayed, of: r.seq},
		target:    r.request,
		header:    r.request.header.http(),
		body:      r.request.body.data,
		messageID: r.decision.MessageID,
	}
	for _, name := range without {
		o.header.Del(name)
	}
	switch {
	case e.Body != nil:
		o.body = []byte(*e.Body)
	case !r.request.body.isComplete():
		return nil, errBodyCut
	}
	if err := editHeader(o.header, e.Headers); err != nil {
		return nil, err
	}
	if e.Type == nil {
		return o, nil
	}
	body, err := setType(o.body, *e.Type)
	if err != nil {
		return nil, badRequest(fmt.Errorf("type: the body: %w", err))
	}
	o.body = body
	return o, nil
}

// setType returns the body with another event type and no other change. If the
// body has no type, it gets one. If it has several, the last one counts, as it does
// for guards.
func setType(body []byte, eventType string) ([]byte, error) {
	quoted, err := json.Marshal(eventType) // so that it is nothing but text
	if err != nil {
		return nil, err
	}
	if old := event.TypeMember(body); old.Index > 0 && event.IsValid(body) {
		return slices.Replace(slices.Clone(body), old.Index, old.Index+len(old.Raw), quoted...), nil
	}
	canonical, err := event.Canonical(body)
	if err != nil {
		return nil, err
	}
	return event.Set(canonical, "type", string(quoted))
}

// maxEdits bounds how many headers an edit changes. A sender of deliveries has far fewer.
const maxEdits = 200

func editHeader(header http.Header, changes map[string]*string) error {
	if len(changes) > maxEdits {
		return badRequest(fmt.Errorf("headers: change at most %d", maxEdits))
	}
	changed := make(map[string]bool)
	for name, value := range changes {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return badRequest(fmt.Errorf("headers: %q is not the name of a header", name))
		case changed[canonical]:
			return badRequest(fmt.Errorf("headers: %s is given twice: keep one", canonical))
		case isDecided(canonical):
			return badRequest(fmt.Errorf("headers: %s cannot be changed, because the replay sets it", name))
		case value == nil:
			header.Del(canonical)
		case !httpguts.ValidHeaderFieldValue(*value):
			return badRequest(fmt.Errorf("headers: the value of %s has a line break or another control character: remove it", name))
		default:
			header.Set(canonical, *value)
		}
		changed[canonical] = true
	}
	return nil
}

func isDecided(name string) bool {
	for _, set := range []*signature.HeaderSet{signature.SvixHeaders, signature.StandardHeaders} {
		if name == set.ID || name == set.Timestamp || name == set.Signature {
			return true
		}
	}
	return name == "Host" || slices.Contains(framing, name)
}

func idFor(r *Recording, e edits) string {
	if e.NewID || r.decision.MessageID == "" {
		return event.NewID("msg", time.Now())
	}
	return r.decision.MessageID
}
