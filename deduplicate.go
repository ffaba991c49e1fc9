package clerkwebhook

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/response"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
)

const (
	duplicate outcome = "duplicate"

	// The reasons of a duplicate.
	inProgress reason = "in_progress"
	done       reason = "done"
)

const (
	storeMemory  = "memory"
	storeStorage = "storage"

	defaultWindow = caddy.Duration(48 * time.Hour)

	// largestWindow bounds how many days of records each delivery is looked up in.
	largestWindow = 31 * 24 * time.Hour
	leastWindow   = time.Second

	// maxMarks bounds the memory for done deliveries. A million take about 40 MiB.
	maxMarks = 1_000_000
)

// Deduplicate forwards each delivery once.
//
// A delivery is done when a handler behind the guard has answered it with a 2xx.
// Copies of it then get 200 and are not forwarded. While the delivery is under
// way, copies get 409, so that the sender tries again. Svix does so, but not after a
// manual resend. A delivery is under way for two minutes at most. After any other
// answer, an error or a panic, the next copy is forwarded.
type Deduplicate struct {
	// How long to remember a delivery that is done, from 1s to 31 days. Svix
	// retries for about 28 hours. Default: 48h.
	Window caddy.Duration `json:"window,omitempty"`

	// Where to remember deliveries. `memory` is exact in one process and forgets
	// when it ends. `storage` also writes a record of each delivery to Caddy's
	// configured storage. The record survives a restart, and a fleet can share it.
	// Two copies that reach two instances within one round trip to the storage can
	// still both be forwarded. Default: `memory`.
	Store string `json:"store,omitempty"`
}

func (d *Deduplicate) setDefaults() {
	if d.Window == 0 {
		d.Window = defaultWindow
	}
	if d.Store == "" {
		d.Store = storeMemory
	}
}

func (d *Deduplicate) validate() error {
	if err := checkWindow(time.Duration(d.Window)); err != nil {
		return err
	}
	if d.Store != storeMemory && d.Store != storeStorage {
		return fmt.Errorf("%s is not a store for deliveries: use memory or storage", shown(d.Store))
	}
	return nil
}

func checkWindow(window time.Duration) error {
	if window > largestWindow {
		return fmt.Errorf("%s is too long: a window is at most 31d", window)
	}
	return checkDuration(window, leastWindow)
}

// ledgers holds the one *sharedLedger of the process while any guard uses it. So a
// config reload changes nothing for the deliveries under way.
var ledgers = caddy.NewUsagePool()

const ledgerKey = "ledger"

type sharedLedger struct {
	*ledger.Ledger
	mu     sync.Mutex
	guards map[*deduplication]bool
}

// longestWindow returns the longest window of all guards with records in the
// storage.
func (s *sharedLedger) longestWindow() (longest time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for guard := range s.guards {
		if guard.records != nil {
			longest = max(longest, guard.window)
		}
	}
	return longest
}

// deduplication is what a guard needs to forward each delivery once.
type deduplication struct {
	ledger  *ledger.Ledger
	records *ledger.Records // nil for the memory store
	window  time.Duration
	scopes  [][]fingerprint // for each secret, those of all secrets of its sender
}

func (h *Handler) provisionDeduplication(ctx caddy.Context) {
	value, _ := ledgers.LoadOrStore(ledgerKey, &sharedLedger{
		Ledger: ledger.NewLedger(time.Now, maxMarks),
		guards: make(map[*deduplication]bool),
	})
	shared := value.(*sharedLedger)
	h.once = &deduplication{ledger: shared.Ledger, window: time.Duration(h.Deduplicate.Window)}
	if h.Deduplicate.Store == storeStorage {
		h.once.records = ledger.NewRecords(ledger.LastingStorage(ctx), h.once.window, time.Now)
		h.once.records.LongestWindow = shared.longestWindow
		h.once.records.CleanFailed = func(err error) {
			h.logger.Error("removing old records of deliveries", zap.Error(err))
		}
	}
	h.once.scopes = h.ring.scopes()
	shared.mu.Lock()
	defer shared.mu.Unlock()
	shared.guards[h.once] = true
}

func (h *Handler) releaseDeduplication() error {
	ledgers.Range(func(_, value any) bool {
		shared := value.(*sharedLedger)
		shared.mu.Lock()
		defer shared.mu.Unlock()
		delete(shared.guards, h.once)
		return true
	})
	_, err := ledgers.Delete(ledgerKey)
	return err
}

// hasClaim reports whether a guard in front of this one has claimed the delivery.
func (h *Handler) hasClaim(r *http.Request, d *delivery) bool {
	claims, ok := r.Context().Value(claimKey{}).(ledger.Claims)
	return ok && claims.Have(ledger.KeyOf(h.ring.keys[d.secret].Fingerprint(), d.headers.ID))
}

// forwardOnce forwards the delivery unless a copy of it is done or under way.
func (h *Handler) forwardOnce(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler) error {
	if h.hasClaim(r, d) {
		return h.forward(w, r, d, next)
	}
	claim, state, at, err := h.once.ledger.ClaimAll(r.Context(), h.once.scopes[d.secret], d.headers.ID, h.once.window, h.once.records)
	h.noteLedgerError(d, "claiming", err)
	switch state {
	case ledger.InProgress:
		d.reason = inProgress
		h.settle(r, d, duplicate)
		return respond(w, http.StatusConflict, "Another copy of this delivery is being handled. Svix retries by itself, but not after a manual resend: "+
			"if the delivery does not show as delivered, send it again in two minutes.\n")
	case ledger.Done:
		d.reason = done
		h.settle(r, d, duplicate)
		return respond(w, http.StatusOK, "Duplicate: this delivery was handled at "+at.UTC().Format(time.RFC3339)+" and not forwarded again.\n")
	}
	return h.forwardClaimed(w, r, d, next, claim)
}

// forwardClaimed lets the next handler answer, and remembers whether the delivery
// is done with that.
func (h *Handler) forwardClaimed(w http.ResponseWriter, r *http.Request, d *delivery, next caddyhttp.Handler, claim ledger.Claims) error {
	ctx, cancel := claimContext(r.Context(), claim)
	defer cancel()
	answer := response.Track(w, true)
	isDone := false
	defer func() {
		if isDone {
			h.noteLedgerError(d, "marking as done", claim.Done(r.Context()))
		} else { // also after a panic
			h.noteLedgerError(d, "releasing", claim.Release(r.Context()))
		}
	}()
	err := h.forwardTo(answer, r.WithContext(ctx), d, next)
	isDone = err == nil && answer.Succeeded()
	return err
}

type claimKey struct{}

// claimContext returns the context for the handlers behind a guard that has
// claimed a delivery. It ends with the claim, and not when the sender hangs up:
// Svix hangs up after 15 seconds, and what the handlers finish then is done all
// the same.
func claimContext(request context.Context, claim ledger.Claims) (context.Context, context.CancelFunc) {
	ctx := context.WithValue(context.WithoutCancel(request), claimKey{}, claim)
	return context.WithDeadline(ctx, claim.Until())
}

// noteLedgerError tells that the ledger could not be kept. The delivery is handled
// all the same.
func (h *Handler) noteLedgerError(d *delivery, step string, err error) {
	if err == nil {
		return
	}
	ledgerErrors.Inc()
	h.summaries.Note(summary.Kind{Level: zapcore.ErrorLevel, Message: "keeping the ledger of deliveries", Key: "step", Value: step},
		deliveryEvent{id: d.headers.ID, err: err})
}

func respond(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a sender that has hung up needs no error page
	return nil
}
