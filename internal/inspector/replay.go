package inspector

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

var (
	errBodyCut    = newCallError(http.StatusConflict, "body_cut", "the body was not read, or not kept whole, so it can only be replayed with a body of your own")
	errCannotSign = newCallError(http.StatusConflict, "cannot_sign", "no secret of the endpoint that could sign it is in the configuration now")
)

// edits are the changes to a replay; what is nil stays as it was.
type edits struct {
	Body    *string            `json:"body"`
	Type    *string            `json:"type"`
	Headers map[string]*string `json:"headers"`
	NewID   bool               `json:"new_id"`
}

// replaySigner returns the secret that a replay of r is signed with. It is not
// signed where the original was rejected, or verified by a key that cannot
// sign.
func (rc *Recorder) replaySigner(r *Record) (secret Secret, signs bool, err error) {
	if !r.verdict.Verified {
		return Secret{}, false, nil
	}
	secret, found := rc.secretOf(r)
	switch {
	case !found:
		return Secret{}, false, errCannotSign
	case !secret.Key.Symmetric():
		return Secret{}, false, nil
	}
	return secret, true, nil
}

// replayability says what a replay of r would do.
func (rc *Recorder) replayability(r *Record) replayView {
	secret, signs, err := rc.replaySigner(r)
	switch {
	case err != nil:
		return replayView{WhyNot: err.Error()}
	case !r.request.body.isComplete():
		return replayView{Signs: signs, Secret: secret.Name, WhyNot: errBodyCut.Error()}
	}
	return replayView{Possible: true, Signs: signs, Secret: secret.Name}
}

// replay prepares to send r once more: signed anew by the secret that verified
// it where that can sign, and else as it was received.
func (rc *Recorder) replay(r *Record, e edits) (*outgoing, error) {
	secret, signs, err := rc.replaySigner(r)
	if err != nil {
		return nil, err
	}
	o, err := prepare(r, e)
	if err != nil || !signs {
		return o, err
	}
	return o, o.sign(secret, setOf(r), idFor(r, e), time.Now())
}

// signAndReplay prepares to send r as a genuine delivery, whatever it was.
func (rc *Recorder) signAndReplay(r *Record, e edits, secretName string) (*outgoing, error) {
	endpoint := endpointOf(r, rc.currentEndpoints())
	if endpoint == nil {
		return nil, errCannotSign
	}
	secret, found := endpoint.signer(secretName)
	if !found {
		return nil, errCannotSign
	}
	o, err := prepare(r, e, "Connection") // which may name a header of the signature, and would have it refused
	if err != nil {
		return nil, err
	}
	o.target.method = http.MethodPost
	return o, o.sign(secret, setOf(r), idFor(r, e), time.Now())
}

// prepare returns r as it was received, but for some headers, with the edits.
func prepare(r *Record, e edits, without ...string) (*outgoing, error) {
	o := &outgoing{
		mark:      &mark{origin: Replayed, of: r.seq},
		target:    r.request,
		header:    make(http.Header),
		body:      r.request.body.data,
		messageID: r.verdict.MessageID,
	}
	for _, f := range r.request.header {
		if !f.redacted && !slices.Contains(without, f.name) {
			o.header.Add(f.name, f.value)
		}
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

// setType returns the body with another event type, and otherwise as it is,
// unless it has none. Of several it is the last that counts, as for guards.
func setType(body []byte, eventType string) ([]byte, error) {
	quoted, err := json.Marshal(eventType) // so that it is not taken for anything but text
	if err != nil {
		return nil, err
	}
	if old := event.TypeMember(body); old.Index > 0 && gjson.ValidBytes(body) {
		return slices.Replace(slices.Clone(body), old.Index, old.Index+len(old.Raw), quoted...), nil
	}
	canonical, err := event.Canonical(body)
	if err != nil {
		return nil, err
	}
	return event.Set(canonical, "type", string(quoted))
}

// editHeader sets and removes headers, but not those that the replay itself
// has to decide about.
func editHeader(header http.Header, changes map[string]*string) error {
	changed := make(map[string]bool)
	for name, value := range changes {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !validHeaderName(name):
			return badRequest(fmt.Errorf("headers: %q is not the name of a header", name))
		case changed[canonical]:
			return badRequest(fmt.Errorf("headers: %s is given more than once", canonical))
		case isDecided(canonical):
			return badRequest(fmt.Errorf("headers: %s cannot be changed", name))
		case value == nil:
			header.Del(canonical)
		case strings.ContainsFunc(*value, isControl):
			return badRequest(fmt.Errorf("headers: the value of %s has a line break or another control character in it", name))
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

func isControl(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// validHeaderName reports whether name is a token, as HTTP calls it.
func validHeaderName(name string) bool {
	isNoTokenRune := func(c rune) bool {
		isAlphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		return !isAlphanumeric && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	}
	return name != "" && !strings.ContainsFunc(name, isNoTokenRune)
}

// setOf returns the dialect that r came in.
func setOf(r *Record) *signature.HeaderSet {
	isSvix := headerValue(r.request.header, signature.SvixHeaders.ID) != ""
	if !isSvix && headerValue(r.request.header, signature.StandardHeaders.ID) != "" {
		return signature.StandardHeaders
	}
	return signature.SvixHeaders
}

// idFor returns the message's id, of which one that was malformed has none.
func idFor(r *Record, e edits) string {
	if e.NewID || r.verdict.MessageID == "" {
		return event.NewID("msg", time.Now())
	}
	return r.verdict.MessageID
}
