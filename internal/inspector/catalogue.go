package inspector

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

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

// indent makes JSON readable.
func indent(payload []byte) string {
	var readable bytes.Buffer
	if err := json.Indent(&readable, payload, "", "  "); err != nil {
		return string(payload)
	}
	return readable.String()
}
