package inspector

import (
	"errors"
	"net/http"
	"slices"
)

var errNotFound = newCallError(http.StatusNotFound, "not_found", "there is no entry of this id, or it is no longer kept")

type listView struct {
	Entries []summaryView `json:"entries"`
	Next    string        `json:"next"`
	Cursor  string        `json:"cursor"`
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) error {
	f, err := h.recorder.parseFilter(r.URL.RawQuery, defaultLimit)
	if err != nil {
		return badRequest(err)
	}
	now := h.recorder.snapshot()
	selected, more := f.selectFrom(h.recorder, now.records)
	v := listView{Entries: h.recorder.summarizeAll(selected), Cursor: h.recorder.cursor(now.version)}
	if more {
		v.Next = h.recorder.id(selected[len(selected)-1].seq)
	}
	writeJSON(w, http.StatusOK, v)
	return nil
}

func (h *Handler) clear(w http.ResponseWriter, r *http.Request) error {
	if r.URL.RawQuery != "" {
		return badRequest(errors.New("all entries are forgotten, whatever they are: leave the parameters out"))
	}
	writeJSON(w, http.StatusOK, map[string]int{"cleared": h.recorder.clear()})
	return nil
}

// entry returns the record that the path names.
func (h *Handler) entry(r *http.Request) (*Record, error) {
	if seq, ok := h.recorder.parseID(r.PathValue("id")); ok {
		if record := h.recorder.find(seq); record != nil {
			return record, nil
		}
	}
	return nil, errNotFound
}

func (h *Handler) one(w http.ResponseWriter, r *http.Request) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, h.recorder.describe(record))
	return nil
}

type messageView struct {
	MessageID string        `json:"message_id"`
	Entries   []summaryView `json:"entries"`
	Cursor    string        `json:"cursor"`
}

func (h *Handler) message(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	now := h.recorder.snapshot()
	attempts := slices.DeleteFunc(now.records, func(r *Record) bool { return r.verdict.MessageID != id })
	if len(attempts) == 0 {
		return errNotFound
	}
	writeJSON(w, http.StatusOK, messageView{id, h.recorder.summarizeAll(attempts), h.recorder.cursor(now.version)})
	return nil
}
