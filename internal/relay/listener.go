package relay

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const (
	startTime = 5 * time.Second  // to send the start message
	pingEvery = 20 * time.Second // as Svix's relay does; clients reconnect after 31 s of silence
	pongTime  = 10 * time.Second
	writeTime = 10 * time.Second // for one message

	maxStart    = 8 << 10      // bytes of a start message
	maxPatterns = 20           // of event types
	maxMatches  = 5            // all of which a delivery must have
	maxInFlight = 64           // deliveries at one listener
	maxSince    = 48 * 60 * 60 // seconds of recorded deliveries
	maxHeaders  = 64 << 10     // bytes of an answer beside its body
)

func base64Size(size int64) int64 { return (size + 2) / 3 * 4 }

// listener is one connection of somebody who listens.
type listener struct {
	conn   *connection
	who    string
	wishes Wishes
	events []event.Pattern
	queue  chan []byte // frames to send

	mu      sync.Mutex
	waiting map[string]chan<- Heard // by the ids of the requests under way
	left    bool
}

var (
	errBusy     = fmt.Errorf("it has %d deliveries under way already", maxInFlight)
	errGoneAway = errors.New("it went away before it answered")
)

// offer gives the listener a frame to send. It does not wait. The answer, or an error
// in its place, goes to results.
func (l *listener) offer(ctx context.Context, id string, frame []byte, results chan<- Heard) {
	if err := l.enqueue(id, frame, results); err != nil {
		results <- Heard{Who: l.who, Err: err}
		return
	}
	context.AfterFunc(ctx, func() { l.settle(id, Heard{Who: l.who, Err: context.Cause(ctx)}) })
}

func (l *listener) enqueue(id string, frame []byte, results chan<- Heard) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.left:
		return errGoneAway
	case len(l.waiting) >= maxInFlight:
		return errBusy
	}
	select {
	case l.queue <- frame:
		l.waiting[id] = results
		return nil
	default:
		return errBusy
	}
}

// settle ends the wait for an answer. Only the first call for an id does anything.
func (l *listener) settle(id string, h Heard) {
	l.mu.Lock()
	results, ok := l.waiting[id]
	delete(l.waiting, id)
	l.mu.Unlock()
	if ok {
		results <- h
	}
}

// abandon answers all that wait for this listener.
func (l *listener) abandon() {
	l.mu.Lock()
	waiting := l.waiting
	l.waiting, l.left = nil, true
	l.mu.Unlock()
	for _, results := range waiting {
		results <- Heard{Who: l.who, Err: errGoneAway}
	}
}

// serve sends what the room hands out, and takes the answers, until either end
// leaves.
func (l *listener) serve(ctx context.Context, room *Room, o Options) error {
	if err := room.enter(l); err != nil {
		l.conn.refuse(websocket.StatusTryAgainLater, err)
		return err
	}
	o.Entered()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // at last, because a write that it ends takes the connection along
	if err := l.work(ctx, room, o); errors.Is(err, errProtocol) {
		l.conn.refuse(websocket.StatusUnsupportedData, err)
	}
	return nil
}

// work returns why the listener has left.
func (l *listener) work(ctx context.Context, room *Room, o Options) error {
	defer l.abandon()
	defer room.leave(l)
	go l.send(ctx)
	go l.ping(ctx)
	if l.wishes.Since > 0 {
		go l.catchUp(ctx, o.Recorded(room, time.Duration(min(l.wishes.Since, maxSince))*time.Second))
	}
	return l.receive(ctx, o.MaxAnswer)
}

// receive takes answers until the listener leaves.
func (l *listener) receive(ctx context.Context, maxAnswer int64) error {
	l.conn.SetReadLimit(base64Size(maxAnswer) + maxHeaders)
	for {
		_, frame, err := l.conn.Read(ctx)
		if err != nil {
			return err
		}
		answer := &Answer{}
		if err := decode(frame, typeEvent, answer); err != nil {
			return err
		}
		heard := Heard{Who: l.who, Answer: answer}
		if err := answer.check(); err != nil {
			heard = Heard{Who: l.who, Err: err}
		}
		l.settle(answer.ID, heard)
	}
}

// catchUp sends what was recorded, one after another.
func (l *listener) catchUp(ctx context.Context, recorded iter.Seq[*Delivery]) {
	choice := newChoice([]*listener{l})
	for d := range recorded {
		if len(choice.wanting(d)) == 0 {
			continue
		}
		waiting, cancel := context.WithTimeout(ctx, answerTime)
		results := make(chan Heard, 1)
		offer(waiting, d, []*listener{l}, results)
		<-results
		cancel()
		if ctx.Err() != nil {
			return
		}
	}
}

func (l *listener) send(ctx context.Context) {
	for {
		select {
		case frame := <-l.queue:
			if err := l.write(ctx, frame); err != nil {
				_ = l.conn.CloseNow()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

func (l *listener) write(ctx context.Context, frame []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeTime)
	defer cancel()
	return l.conn.Write(ctx, websocket.MessageText, frame)
}

// ping finds out whether the listener is still there.
func (l *listener) ping(ctx context.Context) {
	ticker := time.NewTicker(pingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			pong, cancel := context.WithTimeout(ctx, pongTime)
			err := l.conn.Ping(pong)
			cancel()
			if err != nil {
				_ = l.conn.CloseNow()
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
