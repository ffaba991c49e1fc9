package relay

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	connectTime = 10 * time.Second
	maxRunning  = 2 * maxInFlight // deliveries that are handled at the same time
)

// silence is how long a relay may say nothing, not even a ping, as in "svix listen".
// Tests shorten it.
var silence = 31 * time.Second

// backoff has the times before each new attempt to connect. The last one stays.
var backoff = [...]time.Duration{0, 100 * time.Millisecond, time.Second, 5 * time.Second}

// settled is how long a connection must have lasted to show that the relay works. A
// relay that ends each connection at once would be flooded otherwise.
const settled = 5 * time.Second

// Client listens at a relay.
type Client struct {
	// URL of the relay: wss:// or ws://.
	URL string

	// Token and wishes.
	Start Start

	// MaxBody bounds the body of a delivery, in bytes.
	MaxBody int64

	// HTTP connects to the relay. Default: a client that obeys HTTPS_PROXY.
	HTTP *http.Client

	// Handle answers a delivery. It can be called by several goroutines.
	Handle func(ctx context.Context, r *Request) *Answer

	// Connected and Lost are called when a connection is ready, and when one has
	// been lost or could not be made.
	Connected func()
	Lost      func(err error, again time.Duration)
}

// Errors of Listen. It does not try again after them.
var (
	ErrInUse   = errors.New("somebody else listens with this token already")
	ErrRefused = errors.New("the relay refused the listener")
)

// Listen takes deliveries from the relay until ctx ends. It connects again after each
// loss, and returns an error where that is pointless.
func (c *Client) Listen(ctx context.Context) error {
	attempt, everReady := 0, false
	for {
		start := time.Now()
		wasReady, err := c.listenOnce(ctx)
		everReady = everReady || wasReady
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // it was told to end
		case errors.Is(err, ErrInUse) && everReady: // the relay still has the lost connection
		case errors.Is(err, ErrInUse), errors.Is(err, ErrRefused), errors.Is(err, errProtocol):
			return err
		case wasReady && time.Since(start) > settled:
			attempt = 0
		}
		again := backoff[min(attempt, len(backoff)-1)]
		attempt++
		c.Lost(err, again)
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil
		}
	}
}

// listenOnce reports whether the relay has accepted the listener, and why the
// connection ended.
func (c *Client) listenOnce(parent context.Context) (wasReady bool, err error) {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(errSilent) })
	defer quiet.Stop()
	conn, err := c.dial(ctx, func() { quiet.Reset(silence) })
	if err != nil {
		return false, err
	}
	defer conn.CloseNow() //nolint:errcheck // it may be closed already
	conn.SetReadLimit(base64Size(c.MaxBody) + maxHeaders)
	slots := make(chan struct{}, maxRunning)
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return wasReady, c.explainClose(ctx, err)
		}
		quiet.Reset(silence)
		if !wasReady {
			if err := decode(frame, typeStart, &Start{}); err != nil {
				return false, err
			}
			wasReady = true
			c.Connected()
			continue
		}
		request := &Request{}
		if err := decode(frame, typeEvent, request); err != nil {
			return true, err
		}
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			c.answer(ctx, conn, request)
		}()
	}
}

var errSilent = errors.New("the relay said nothing for 31 seconds")

func (c *Client) dial(ctx context.Context, onPing func()) (*websocket.Conn, error) {
	dialing, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, res, err := websocket.Dial(dialing, c.URL, &websocket.DialOptions{ //nolint:bodyclose // the package has closed it
		HTTPClient:      c.withoutRedirects(),
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { onPing(); return true },
	})
	if err != nil {
		return nil, explainDial(res, err)
	}
	start, err := encode(typeStart, c.Start)
	if err == nil {
		err = conn.Write(dialing, websocket.MessageText, start)
	}
	if err != nil {
		_ = conn.CloseNow()
	}
	return conn, err
}

// withoutRedirects returns a client that shows the token to nobody but the relay.
func (c *Client) withoutRedirects() *http.Client {
	var client http.Client
	if c.HTTP != nil {
		client = *c.HTTP
	}
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &client
}

// explainDial says where trying again is pointless: where no relay is.
func explainDial(res *http.Response, err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	if res == nil {
		return err
	}
	switch code := res.StatusCode; {
	case code >= 300 && code <= 399:
		return fmt.Errorf("%w: the address answered with a redirect (%d), which is not followed: give the URL of the relay itself", ErrRefused, code)
	case code >= 200 && code <= 499 && code != http.StatusRequestTimeout && code != http.StatusTooManyRequests:
		return fmt.Errorf("%w: the address answered %d instead of a WebSocket, so no relay is there", ErrRefused, code)
	default:
		return fmt.Errorf("the relay answered %d", code)
	}
}

func (c *Client) explainClose(ctx context.Context, err error) error {
	var closed websocket.CloseError
	switch {
	case context.Cause(ctx) == errSilent: //nolint:errorlint // it is the cause itself
		return errSilent
	case !errors.As(err, &closed):
		return err
	case closed.Code == websocket.StatusPolicyViolation && closed.Reason == inUse:
		return ErrInUse
	}
	reason := strings.ReplaceAll(closed.Reason, c.Start.Token, "…")
	if closed.Code != websocket.StatusPolicyViolation {
		return fmt.Errorf("the relay closed the connection (%d): %q", closed.Code, reason)
	}
	return fmt.Errorf("%w: %q", ErrRefused, reason)
}

// inUse is what Svix's relay says to the second listener of a token.
const inUse = "This socket is already in use"

func (c *Client) answer(ctx context.Context, conn *websocket.Conn, r *Request) {
	answer := c.Handle(ctx, r)
	answer.ID = r.ID
	frame, err := encode(typeEvent, answer)
	if err != nil {
		return
	}
	writing, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	_ = conn.Write(writing, websocket.MessageText, frame) // a lost connection shows when reading
}
