package inspector

import (
	"fmt"
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// exampleCall says which event to send where.
type exampleCall struct {
	Type      string  `json:"type"`
	Payload   *string `json:"payload"`
	Endpoint  string  `json:"endpoint"`
	URL       string  `json:"url"`
	Secret    string  `json:"secret"`
	MessageID string  `json:"message_id"`
}

var (
	errUnknownEndpoint = newCallError(http.StatusConflict, "unknown_endpoint", "no endpoint of this name records deliveries now: name one of those in the status")
	errUnknownPlace    = newCallError(http.StatusConflict, "unknown_endpoint", "it is not known where the endpoint is: give its url")
)

// example prepares to send an event as Svix would. remoteAddr is that of who
// asks for it.
func (rc *Recorder) example(c exampleCall, remoteAddr string) (*outgoing, error) {
	endpoint := rc.chooseEndpoint(c)
	if endpoint == nil {
		return nil, errUnknownEndpoint
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
	o := &outgoing{mark: &mark{origin: Example}, target: target, body: body, header: http.Header{
		"Accept":       {"*/*"},
		"Content-Type": {"application/json"},
		"User-Agent":   {"Svix-Webhooks/1.84.0 (sender-caddy; +https://www.svix.com/http-sender/)"},
	}}
	return o, o.sign(secret, signature.SvixHeaders, id, time.Now())
}

// chooseEndpoint returns the endpoint that a call names, or without a name the
// only one. Of several of one name it is the one at the call's URL, or else the
// newest.
func (rc *Recorder) chooseEndpoint(c exampleCall) *Endpoint {
	current := rc.currentEndpoints()
	if c.Endpoint == "" && len(current) == 1 {
		return current[0]
	}
	var namesake *Endpoint
	for _, e := range current {
		if e.Name != c.Endpoint {
			continue
		}
		namesake = e
		if located, _ := rc.locate(e); located != "" && located == c.URL {
			return e
		}
	}
	return namesake
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
