package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

// IsListener reports whether r asks for a WebSocket, as listeners do. Such a request has
// no body (RFC 6455, section 4.1).
func IsListener(r *http.Request) bool {
	return r.Method == http.MethodGet && r.ContentLength == 0 && strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
}

// Options are the settings of a relay.
type Options struct {
	// Who names the sender of the request.
	Who string

	// Open finds the room of a token. It returns nil for a token that opens none, and
	// takes the same time for every token.
	Open func(token string) *Room

	// MaxAnswer bounds the body of an answer, in bytes.
	MaxAnswer int64

	// Entered is called when the connection has become a listener.
	Entered func()

	// Recorded returns the deliveries of a room in the last time, oldest first, for a
	// listener that asks for them.
	Recorded func(room *Room, in time.Duration) iter.Seq[*Delivery]
}

// Why a connection was refused. The client learns the same for each wrong token.
var (
	ErrToken = errors.New("the token opens nothing here: it must be made of the endpoint's signing secret")

	errStart     = errors.New("no valid start message came within 5 seconds")
	errWishes    = errors.New("its patterns or matches are not allowed")
	errHandshake = errors.New("it is no handshake of WebSocket version 13, or a browser has sent it for another site")
)

// Accept takes a listener in, and returns when it has left. It returns an error if
// the connection never became a listener.
func (d *Doorway) Accept(w http.ResponseWriter, r *http.Request, o Options) error {
	conn, err := accept(w, r)
	if err != nil {
		return errHandshake // err repeats headers of the stranger
	}
	defer conn.CloseNow() //nolint:errcheck // it may be closed already
	l, room, err := d.admit(r.Context(), conn, o)
	if err != nil {
		return err
	}
	// The request's context ends with the config. The connection lives on.
	return l.serve(context.WithoutCancel(r.Context()), room, o)
}

// admit makes a listener of a connection, and finds its room.
func (d *Doorway) admit(ctx context.Context, conn *connection, o Options) (*listener, *Room, error) {
	conn.endAfter(startTime)
	defer d.enter(o.Who, conn)()
	conn.SetReadLimit(maxStart)
	_, frame, err := conn.Read(ctx)
	if err != nil {
		return nil, nil, errStart // err can repeat what the stranger has sent
	}
	var start Start
	if decode(frame, typeStart, &start) != nil {
		conn.refuse(websocket.StatusPolicyViolation, errStart)
		return nil, nil, errStart
	}
	room := o.Open(start.Token)
	if room == nil {
		conn.refuse(websocket.StatusPolicyViolation, ErrToken)
		return nil, nil, ErrToken
	}
	events, err := start.compile()
	if err != nil {
		conn.refuse(websocket.StatusPolicyViolation, err)
		return nil, nil, errWishes // err repeats what the listener has sent
	}
	hello, err := encode(typeStart, start)
	if err != nil {
		return nil, nil, err
	}
	conn.endNever()
	l := &listener{
		conn: conn, who: o.Who, wishes: start.Wishes, events: events,
		queue: make(chan []byte, maxInFlight), waiting: make(map[string]chan<- Heard),
	}
	l.queue <- hello
	return l, room, nil
}

// compile reads the patterns of event types. It refuses wishes that would cost the
// relay too much.
func (w *Wishes) compile() ([]event.Pattern, error) {
	if len(w.Events) > maxPatterns || len(w.Match) > maxMatches {
		return nil, fmt.Errorf("a listener can have %d patterns of event types and %d matches", maxPatterns, maxMatches)
	}
	for path := range w.Match {
		if err := CheckPath(path); err != nil {
			return nil, fmt.Errorf("match: %w", err)
		}
	}
	var patterns []event.Pattern
	for _, text := range w.Events {
		pattern := event.Pattern(text)
		if err := pattern.Validate(); err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		patterns = append(patterns, pattern)
	}
	return patterns, nil
}
