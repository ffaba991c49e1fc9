package command

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
)

const (
	// maxRelayed is how much of an answer goes back. Clerk shows the beginning.
	maxRelayed = 256 << 10

	// localTime is longer than any sender waits.
	localTime = 30 * time.Second
)

// localEndpoint is the guard on this machine, which gets what comes from a relay.
type localEndpoint struct {
	url    string
	client *http.Client
}

func newLocalEndpoint(url string) *localEndpoint {
	return &localEndpoint{url: url, client: &http.Client{
		Timeout:       localTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 32},
	}}
}

// handle sends a delivery to the guard, and returns its answer.
func (e *localEndpoint) handle(ctx context.Context, d *relay.Request) *relay.Answer {
	answer, err := e.send(ctx, d)
	if err != nil {
		return &relay.Answer{Status: http.StatusBadGateway, Body: []byte("The guard on the listener's machine did not answer.\n")}
	}
	return answer
}

func (e *localEndpoint) send(ctx context.Context, d *relay.Request) (*relay.Answer, error) {
	method := d.Method
	if method == "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(ctx, method, e.url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	d.Headers.AddTo(r.Header)
	res, err := e.client.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRelayed))
	if err != nil {
		return nil, err
	}
	return &relay.Answer{Status: res.StatusCode, Headers: relay.HeadersOf(res.Header), Body: body}, nil
}
