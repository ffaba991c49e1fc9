package clerkwebhook

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/inspector"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
)

// Relay hands genuine deliveries of wanted event types to those who listen with
// `caddy clerk-webhook listen`. They connect by WebSocket to a path of this handler.
// Anyone who has the signing secret may listen.
//
// Every listener gets each delivery. The sender gets the first 2xx answer, or the
// last other answer if there is none. It gets 504 if nobody answers within 14
// seconds, and 503 if nobody listens, so that it sends again.
type Relay struct {
	// Let the next handler answer, and give the listeners copies. A copy never
	// delays or changes the answer. A listener that is too slow for its copies
	// misses some. Default: false.
	Copy bool `json:"copy,omitempty"`
}

// rooms holds the *relay.Room of each secret of each endpoint, so that listeners stay
// when the config is reloaded.
var rooms = caddy.NewUsagePool()

// relaying is what a guard needs to hand deliveries to listeners.
type relaying struct {
	copies  bool
	doorway relay.Doorway
	doors   []door // one for each secret, in their order
	metrics *relayMetrics
}

// door is the way to the listeners of one secret.
type door struct {
	line  int    // secrets of one line share their deliveries
	key   string // in rooms
	token [sha256.Size]byte
	room  *relay.Room // nil for a public key, which is no secret
}

func (h *Handler) provisionRelay() error {
	series, _ := relaysInUse.LoadOrStore(h.Name, newRelayMetrics(h.Name))
	h.relaying = &relaying{copies: h.Relay.Copy, metrics: series.(*relayMetrics)}
	open := 0
	for i, key := range h.ring.keys {
		token := key.ListenToken()
		if token == "" {
			h.relaying.doors = append(h.relaying.doors, door{line: h.ring.lines[i]})
			continue
		}
		fingerprint := key.Fingerprint()
		d := door{line: h.ring.lines[i], key: h.Name + "\x00" + hex.EncodeToString(fingerprint[:]), token: sha256.Sum256([]byte(token))}
		value, _ := rooms.LoadOrStore(d.key, relay.NewRoom())
		d.room = value.(*relay.Room)
		h.relaying.doors = append(h.relaying.doors, d)
		open++
	}
	if open == 0 {
		return errors.New("relay: a listener shows that it has the signing secret, but a public key (whpk_…) is no secret: add a whsec_ secret")
	}
	return nil
}

func (h *Handler) releaseRelay() error {
	_, err := relaysInUse.Delete(h.Name)
	errs := []error{err}
	for _, d := range h.relaying.doors {
		if d.room != nil {
			_, err := rooms.Delete(d.key)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// open returns the room that a token opens. It compares with every token, so the time
// tells nothing.
func (rl *relaying) open(token string) (room *relay.Room) {
	sum := sha256.Sum256([]byte(token))
	for _, d := range rl.doors {
		if d.room != nil && subtle.ConstantTimeCompare(d.token[:], sum[:]) == 1 {
			room = d.room
		}
	}
	return room
}

// roomsOf returns those whose listeners get the deliveries of a secret.
func (rl *relaying) roomsOf(secret int) (all relay.Rooms) {
	for _, d := range rl.doors {
		if d.room != nil && d.line == rl.doors[secret].line {
			all = append(all, d.room)
		}
	}
	return all
}

// listen takes a listener in, and returns when it has left.
func (h *Handler) listen(w http.ResponseWriter, r *http.Request) error {
	who, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	start := time.Now()
	err := h.relaying.doorway.Accept(w, r, relay.Options{
		Who:       who,
		Open:      h.relaying.open,
		MaxAnswer: h.MaxBody,
		Recorded:  h.recorded,
		Entered: func() {
			h.relaying.metrics.listeners.Inc()
			h.logger.Info("a listener has connected", zap.String("client_ip", who))
		},
	})
	if err != nil {
		reason := "handshake"
		if errors.Is(err, relay.ErrToken) {
			reason = "token"
		}
		h.summaries.Note(summary.Kind{Level: zapcore.WarnLevel, Message: "listeners refused", Key: "reason", Value: reason},
			deliveryEvent{clientIP: who, remoteAddr: r.RemoteAddr, err: err})
		return nil
	}
	h.relaying.metrics.listeners.Dec()
	h.logger.Info("a listener has left", zap.String("client_ip", who), zap.Duration("after", time.Since(start)))
	return nil
}

// recorded returns what a listener has missed, for the tokens of the secrets that can
// sign. Only the inspector remembers deliveries.
func (h *Handler) recorded(room *relay.Room, in time.Duration) iter.Seq[*relay.Delivery] {
	return func(yield func(*relay.Delivery) bool) {
		if h.inspection == nil {
			return
		}
		for g := range h.inspection.recorder.Recorded(h.inspection.endpoint, h.fingerprintsOf(room), in) {
			if !yield(&relay.Delivery{Headers: relay.HeadersOf(g.Header), Body: g.Body, Type: g.Type}) {
				return
			}
		}
	}
}

// fingerprintsOf returns those of the secrets whose deliveries a room gets.
func (h *Handler) fingerprintsOf(room *relay.Room) (fingerprints [][sha256.Size]byte) {
	for i, key := range h.ring.keys {
		if slices.Contains(h.relaying.roomsOf(i), room) {
			fingerprints = append(fingerprints, key.Fingerprint())
		}
	}
	return fingerprints
}

// behind returns what handles a delivery that is forwarded: the listeners, the next
// handler, or both. What report_only lets through is for the next handler only.
func (h *Handler) behind(d *delivery, next caddyhttp.Handler) caddyhttp.Handler {
	if h.relaying == nil {
		return next
	}
	return caddyhttp.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		if !d.verified {
			return next.ServeHTTP(w, r)
		}
		parcel := &relay.Delivery{Headers: relay.HeadersOf(r.Header), Body: d.body.Bytes(), Type: d.kind.name}
		to := h.relaying.roomsOf(d.secret)
		if h.relaying.copies {
			to.Copy(r.Context(), parcel, d.heard)
			return next.ServeHTTP(w, r)
		}
		return answerFrom(r.Context(), w, to, parcel, d.heard)
	})
}

// heard notes what a listener made of a delivery.
func (d *delivery) heard(h relay.Heard) {
	d.handler.relaying.metrics.relayed.WithLabelValues(d.handler.Name, string(h.Outcome())).Inc()
	if d.capture == nil {
		return
	}
	seen := inspector.Heard{Who: h.Who}
	if h.Err != nil {
		seen.Error = h.Err.Error()
	} else {
		seen.Status = h.Answer.Status
	}
	d.capture.Relayed(seen)
}

// answerFrom lets listeners answer.
func answerFrom(ctx context.Context, w http.ResponseWriter, rooms relay.Rooms, d *relay.Delivery, heard func(relay.Heard)) error {
	if len(rooms) == 0 {
		return respond(w, http.StatusBadGateway, "This delivery is signed with a private key, so nobody can listen for it: a relay needs a whsec_ secret.\n")
	}
	answer, err := rooms.Deliver(ctx, d, heard)
	switch {
	case errors.Is(err, relay.ErrNobody):
		w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
		return respond(w, http.StatusServiceUnavailable, "Nobody listens at this relay now. Start caddy clerk-webhook listen; the delivery is sent again.\n")
	case errors.Is(err, relay.ErrNoAnswer):
		return respond(w, http.StatusGatewayTimeout, sentence(err))
	case err != nil:
		return respond(w, http.StatusBadGateway, sentence(err))
	}
	answer.Headers.AddTo(w.Header())
	w.WriteHeader(answer.Status)
	_, _ = w.Write(answer.Body)
	return nil
}

// retryAfter is how long a sender should wait if nobody listens.
const retryAfter = 5 * time.Second

func sentence(err error) string { return fmt.Sprintf("%s.\n", err) }
