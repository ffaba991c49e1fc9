package inspector

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

type exampleCall struct {
	Type      string  `json:"type"`
	Payload   *string `json:"payload"`
	Endpoint  string  `json:"endpoint"`
	URL       string  `json:"url"`
	Secret    string  `json:"secret"`
	MessageID string  `json:"message_id"`
}

var (
	errUnknownEndpoint = newCallError(http.StatusConflict, "unknown_endpoint", "no endpoint of this name records deliveries: take a name from /api/status")
	errSharedName      = newCallError(http.StatusConflict, "unknown_endpoint", "several endpoints have this name: give the url of one")
	errUnknownPlace    = newCallError(http.StatusConflict, "unknown_endpoint", "the URL of the endpoint is not known: give its url")
)

// example prepares to send an event as Svix would. remoteAddr is the caller's address.
func (rc *Recorder) example(c exampleCall, remoteAddr string) (*outgoing, error) {
	endpoint, err := rc.chooseEndpoint(c)
	if err != nil {
		return nil, err
	}
	secret, found := endpoint.signer(c.Secret)
	if !found {
		return nil, errCannotSign
	}
	located, local := rc.locate(endpoint)
	switch c.URL {
	case "":
		c.URL = located
	case located:
	default:
		local = nil
	}
	if c.URL == "" {
		return nil, errUnknownPlace
	}
	target, err := targetOf(c.URL, remoteAddr, local)
	if err != nil {
		return nil, badRequest(err)
	}
	body, err := c.body()
	if err != nil {
		return nil, err
	}
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	o := &outgoing{dispatch: &dispatch{origin: Example}, target: target, body: body, header: event.SenderHeader()}
	return o, o.sign(secret, signature.SvixHeaders, id, time.Now())
}

// chooseEndpoint returns the endpoint that a call names. Without a name, it returns
// the only endpoint. If several have the name, it returns the one at the call's URL.
func (rc *Recorder) chooseEndpoint(c exampleCall) (*Endpoint, error) {
	named := slices.DeleteFunc(rc.currentEndpoints(), func(e *Endpoint) bool { return c.Endpoint != "" && e.Name != c.Endpoint })
	switch {
	case len(named) == 1:
		return named[0], nil
	case len(named) == 0 || c.Endpoint == "":
		return nil, errUnknownEndpoint
	}
	asked, err := url.Parse(c.URL)
	if err != nil || c.URL == "" {
		return nil, errSharedName
	}
	for _, isNear := range []func(*url.URL) bool{
		func(at *url.URL) bool { return at.Host == asked.Host && at.Path == asked.Path },
		func(at *url.URL) bool { return at.Host == asked.Host },
	} {
		if near := rc.locatedAt(named, isNear); len(near) == 1 {
			return near[0], nil
		}
	}
	return nil, errSharedName
}

func (rc *Recorder) locatedAt(endpoints []*Endpoint, isNear func(*url.URL) bool) (near []*Endpoint) {
	for _, e := range endpoints {
		located, _ := rc.locate(e)
		if at, err := url.Parse(located); err == nil && located != "" && isNear(at) {
			near = append(near, e)
		}
	}
	return near
}

func (c exampleCall) body() ([]byte, error) {
	if c.Payload != nil {
		return []byte(*c.Payload), nil
	}
	payload, known := event.NewStory().Tell(c.Type, time.Now())
	if !known {
		return nil, badRequest(fmt.Errorf("type: %q is not in the catalogue, so it needs a payload", c.Type))
	}
	return payload, nil
}

func (c exampleCall) id() (string, error) {
	if c.MessageID == "" {
		return event.NewID("msg", time.Now()), nil
	}
	headers := map[string][]string{
		signature.SvixHeaders.ID:        {c.MessageID},
		signature.SvixHeaders.Timestamp: {"1"},
		signature.SvixHeaders.Signature: {"v1,"},
	}
	if _, err := signature.ParseHeaders(headers); err != nil {
		return "", badRequest(fmt.Errorf("message_id: %w", err))
	}
	return c.MessageID, nil
}

var errNoEvent = newCallError(http.StatusNotFound, "not_found", "there is no such event in the catalogue")

func (h *Handler) events(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string][]string{"events": event.Catalogue()})
	return nil
}

func (h *Handler) event(w http.ResponseWriter, r *http.Request) error {
	payload, known := event.NewStory().Tell(r.PathValue("type"), time.Now())
	if !known {
		return errNoEvent
	}
	writeJSON(w, http.StatusOK, map[string]string{"type": r.PathValue("type"), "payload": indent(payload)})
	return nil
}

func indent(payload []byte) string {
	var readable bytes.Buffer
	if err := json.Indent(&readable, payload, "", "  "); err != nil {
		return string(payload)
	}
	return readable.String()
}
