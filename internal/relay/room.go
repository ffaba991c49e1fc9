package relay

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

const (
	// MaxListeners bounds the listeners of one secret.
	MaxListeners = 2000

	// answerTime is how long a delivery waits for its answers. Svix gives up after
	// 15 seconds.
	answerTime = 14 * time.Second
)

// Room is where the listeners of one secret are. It outlives a config.
type Room struct {
	mu        sync.Mutex
	listeners map[*listener]bool
	choice    *choice // among all listeners; nil after one has entered or left
	closed    bool
}

// Rooms are those of the secrets that share their deliveries.
type Rooms []*Room

// lastID numbers the messages to listeners.
var lastID atomic.Uint64

// NewRoom returns a room without listeners.
func NewRoom() *Room { return &Room{listeners: make(map[*listener]bool)} }

// Destruct sends all listeners away. They can come back to another instance.
func (room *Room) Destruct() error {
	room.mu.Lock()
	defer room.mu.Unlock()
	room.closed = true
	for l := range room.listeners {
		go l.conn.refuse(websocket.StatusServiceRestart, errEndpointGone)
	}
	return nil
}

var (
	errEndpointGone = errors.New("the relay is stopping, or has this endpoint no more: connect again")
	errFull         = errors.New("too many listeners have connected")
)

func (room *Room) enter(l *listener) error {
	room.mu.Lock()
	defer room.mu.Unlock()
	switch {
	case room.closed:
		return errEndpointGone
	case len(room.listeners) >= MaxListeners:
		return errFull
	}
	room.listeners[l] = true
	room.choice = nil
	return nil
}

func (room *Room) leave(l *listener) {
	room.mu.Lock()
	defer room.mu.Unlock()
	delete(room.listeners, l)
	room.choice = nil
}

// Errors of Deliver.
var (
	// ErrNobody says that nobody listens who wants the delivery.
	ErrNobody = errors.New("nobody listens for this delivery")

	// ErrNoAnswer says that nobody has answered in time.
	ErrNoAnswer = errors.New("no listener answered within 14 seconds")

	// ErrLeft says that all listeners had too much to do or went away.
	ErrLeft = errors.New("the listeners went away before they answered")
)

// Delivery is what a relay hands out.
type Delivery struct {
	Headers Headers
	Body    []byte
	Type    string // the event type
}

// Heard is what one listener made of a delivery.
type Heard struct {
	Who    string // the listener's address
	Answer *Answer
	Err    error // instead of an answer
}

// Outcome says in a word what a listener made of a delivery.
type Outcome string

// The outcomes.
const (
	Answered   Outcome = "answered"   // with 2xx
	Failed     Outcome = "failed"     // answered otherwise
	Unanswered Outcome = "unanswered" // in time
	Busy       Outcome = "busy"       // with too many others
	Gone       Outcome = "gone"       // before it answered
)

// Outcomes are all outcomes.
var Outcomes = []Outcome{Answered, Failed, Unanswered, Busy, Gone}

// Outcome returns what the listener made of the delivery.
func (h Heard) Outcome() Outcome {
	switch {
	case h.Answer != nil && h.Answer.Status >= 200 && h.Answer.Status <= 299:
		return Answered
	case h.Answer != nil:
		return Failed
	case errors.Is(h.Err, context.DeadlineExceeded):
		return Unanswered
	case errors.Is(h.Err, errBusy):
		return Busy
	}
	return Gone
}

// Deliver hands d to each listener that wants it, and returns the first 2xx answer.
// If there is none, it returns the last other answer. heard is called with what each
// listener made of it, one at a time, until Deliver returns.
func (rooms Rooms) Deliver(ctx context.Context, d *Delivery, heard func(Heard)) (*Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	results, count := rooms.send(ctx, d)
	if count == 0 {
		return nil, ErrNobody
	}
	var last *Answer
	err := ErrLeft
	for range count { // each of them comes in time, because ctx ends
		h := <-results
		heard(h)
		switch h.Outcome() {
		case Answered:
			return h.Answer, nil
		case Failed:
			last = h.Answer
		case Unanswered:
			err = ErrNoAnswer
		}
	}
	if last != nil {
		return last, nil
	}
	return nil, err
}

// Copy hands d to each listener that wants it. It does not wait. heard is called later
// for each of them, one at a time, with what it made of the delivery.
func (rooms Rooms) Copy(ctx context.Context, d *Delivery, heard func(Heard)) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerTime)
	results, count := rooms.send(ctx, d)
	go func() {
		defer cancel()
		for range count {
			heard(<-results)
		}
	}()
}

// send gives d to all listeners that want it. Each of these then sends one result.
func (rooms Rooms) send(ctx context.Context, d *Delivery) (results <-chan Heard, count int) {
	var wanting []*listener
	for _, room := range rooms {
		wanting = append(wanting, room.choose().wanting(d)...)
	}
	all := make(chan Heard, len(wanting)) // so that no listener waits for a reader
	if len(wanting) > 0 {
		offer(ctx, d, wanting, all)
	}
	return all, len(wanting)
}

func (room *Room) choose() *choice {
	room.mu.Lock()
	defer room.mu.Unlock()
	if room.choice == nil {
		room.choice = newChoice(slices.Collect(maps.Keys(room.listeners)))
	}
	return room.choice
}

func offer(ctx context.Context, d *Delivery, to []*listener, results chan<- Heard) {
	id := strconv.FormatUint(lastID.Add(1), 10)
	frame, err := encode(typeEvent, Request{ID: id, Method: "POST", Headers: d.Headers, Body: d.Body})
	for _, l := range to {
		if err == nil {
			l.offer(ctx, id, frame, results)
		} else {
			results <- Heard{Who: l.who, Err: err}
		}
	}
}
