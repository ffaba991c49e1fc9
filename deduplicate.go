package clerkwebhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/response"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/summary"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/memory"
	_ "github.com/caddyclerk/caddy-clerk-webhook/stores/storage" // so that it can be configured
)

const (
	duplicate outcome = "duplicate"
	refused   outcome = "refused"

	// The reasons of a duplicate.
	inProgress reason = "in_progress"
	done       reason = "done"

	// The reason of a refused delivery.
	storeFailed reason = "store_failed"
)

const (
	storeMemory = "memory"

	onFailureForward = "forward"
	onFailureRefuse  = "refuse"

	// refusedRetryAfter is when a refused delivery may come again, in seconds.
	refusedRetryAfter = 5

	defaultWindow = caddy.Duration(48 * time.Hour)

	// largestWindow bounds how many days of records each delivery is looked up in.
	largestWindow = 31 * 24 * time.Hour
	leastWindow   = time.Second
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

	// What to do with a delivery if the store fails or takes longer than a second.
	// `forward` loses no delivery, but can repeat one. `refuse` answers 503, so
	// that the sender tries again, and forwards none that it could not look up.
	// Claims then last two minutes, so what an instance was handling when it was
	// killed waits for that long. The memory store cannot fail. Default: `forward`.
	OnFailure string `json:"on_failure,omitempty"`

	// Where to remember deliveries. `memory` is exact in one process and forgets
	// when it ends. `storage` also writes to Caddy's configured storage which
	// deliveries are done, so that a restart forgets none. Other stores are for a
	// fleet. Default: `memory`.
	StoreRaw json.RawMessage `json:"store,omitempty" caddy:"namespace=http.handlers.clerk_webhook.stores inline_key=module"`
}

func (c *Deduplicate) setDefaults() {
	if c.Window == 0 {
		c.Window = defaultWindow
	}
	if c.OnFailure == "" {
		c.OnFailure = onFailureForward
	}
	if c.StoreRaw == nil {
		c.StoreRaw = caddyconfig.JSON(map[string]string{storeKey: storeMemory}, nil)
	}
}

func (c *Deduplicate) validate() error {
	if err := checkWindow(time.Duration(c.Window)); err != nil {
		return err
	}
	return checkOnFailure(c.OnFailure)
}

func checkWindow(window time.Duration) error {
	if window > largestWindow {
		return fmt.Errorf("%s is too long: a window is at most 31d", window)
	}
	return checkDuration(window, leastWindow)
}

func checkOnFailure(value string) error {
	if value != onFailureForward && value != onFailureRefuse {
		return errors.New("on_failure is forward or refuse")
	}
	return nil
}

const storeKey = "module" // has a store's name in JSON

// storeName returns the name of the configured store.
func (c *Deduplicate) storeName() (string, error) {
	var store struct {
		Module string `json:"module"`
	}
	if err := json.Unmarshal(c.StoreRaw, &store); err != nil || store.Module == "" {
		return "", errors.New(`a store is an object that names its module, such as {"module": "memory"}`)
	}
	return store.Module, checkStore(store.Module)
}

// checkStore returns an error unless this build has the store.
func checkStore(name string) error {
	var names []string
	for _, module := range caddy.GetModules(stores.Namespace) {
		names = append(names, module.ID.Name())
	}
	if slices.Contains(names, name) {
		return nil
	}
	if name == "redis" || name == "postgres" {
		const plugin = "github.com/caddyclerk/caddy-clerk-webhook"
		return fmt.Errorf("this Caddy is built without the store %s: build it in a checkout with xcaddy build --with %s@v0.0.0=. --with %[2]s/stores/%[1]s@v0.0.0=./stores/%[1]s", name, plugin)
	}
	given := "this"
	if namePattern.MatchString(name) { // else it may be the URL of a database, with a password
		given = "'" + name + "'"
	}
	return fmt.Errorf("%s is not a store of this Caddy, which has %s", given, strings.Join(names, ", "))
}

var namePattern = regexp.MustCompile(`^\w{1,30}$`)

// deduplication is what a guard needs to forward each delivery once.
type deduplication struct {
	*ledger.Ledger
	store   string          // its name
	refuses bool            // deliveries if the store fails
	scopes  [][]fingerprint // for each secret, those of all secrets of its sender
}

// deduplications has the guards that forward each delivery once, for the admin API.
var deduplications = struct {
	mu     sync.Mutex
	guards map[*deduplication]bool
}{guards: make(map[*deduplication]bool)}

func (h *Handler) provisionDeduplication(ctx caddy.Context) error {
	config := h.Deduplicate
	name, err := config.storeName()
	if err != nil {
		return err
	}
	raw := config.StoreRaw
	module, err := ctx.LoadModule(config, "StoreRaw")
	if err != nil {
		return err
	}
	config.StoreRaw = raw // which LoadModule has emptied
	store, ok := module.(stores.Store)
	if !ok {
		return fmt.Errorf("the module %s is not a store: it is %T", name, module)
	}
	if windowed, ok := store.(stores.Windowed); ok {
		windowed.SetWindow(time.Duration(config.Window))
	}
	if _, ok := store.(*memory.Store); ok {
		if config.OnFailure == onFailureRefuse {
			return errors.New("on_failure refuse has no effect with memory, which cannot fail: remove it, or name another store")
		}
		store = nil // every ledger asks the memory first
	} else {
		presentStore(name)
	}
	h.once = &deduplication{store: name, refuses: config.OnFailure == onFailureRefuse}
	h.once.Ledger = ledger.NewLedger(ledger.AcquireMemory(), store, time.Duration(config.Window), h.once.refuses, h.noteStoreCall)
	h.once.scopes = h.ring.scopes()
	deduplications.mu.Lock()
	defer deduplications.mu.Unlock()
	deduplications.guards[h.once] = true
	return nil
}

func (h *Handler) releaseDeduplication() error {
	deduplications.mu.Lock()
	defer deduplications.mu.Unlock()
	delete(deduplications.guards, h.once)
	return ledger.ReleaseMemory()
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
	claim, state, at, err := h.once.ClaimAll(r.Context(), h.once.scopes[d.secret], d.headers.ID)
	switch {
	case state == stores.InProgress:
		d.reason = inProgress
		h.settle(r, d, duplicate)
		return respond(w, http.StatusConflict, "Another copy of this delivery is being handled. Svix retries by itself, but not after a manual resend: "+
			"if the delivery does not show as delivered, send it again in two minutes.\n")
	case state == stores.Done:
		d.reason = done
		h.settle(r, d, duplicate)
		return respond(w, http.StatusOK, "Duplicate: this delivery was handled at "+at.UTC().Format(time.RFC3339)+" and not forwarded again.\n")
	case err != nil && h.once.refuses:
		claim.Release(r.Context())
		d.reason = storeFailed
		h.settle(r, d, refused)
		w.Header().Set("Retry-After", strconv.Itoa(refusedRetryAfter))
		return respond(w, http.StatusServiceUnavailable, "The store of deliveries cannot be asked whether this one is a copy, so it is not forwarded now. Svix retries by itself.\n")
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
			claim.Done(r.Context())
		} else { // also after a panic
			claim.Release(r.Context())
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

// noteStoreCall measures a call of the store, and logs if it failed.
func (h *Handler) noteStoreCall(call ledger.Call) {
	countStoreCall(h.once.store, call)
	if call.Err == nil {
		return
	}
	message := "the store of deliveries failed"
	if errors.Is(call.Err, stores.ErrLost) {
		message = "another instance took a delivery over, so it may be handled twice"
	}
	h.summaries.Note(summary.Kind{Level: zapcore.ErrorLevel, Message: message, Key: "step", Value: string(call.Step)},
		deliveryEvent{id: call.ID, err: call.Err})
}

func respond(w http.ResponseWriter, status int, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // a sender that has hung up needs no error page
	return nil
}
