package inspector

import (
	"net/http"
	"time"
)

type shelfView struct {
	Entries    int    `json:"entries"`
	Bytes      int64  `json:"bytes"`
	MaxEntries int    `json:"max_entries"`
	MaxBytes   int64  `json:"max_bytes"`
	Evicted    uint64 `json:"evicted"`
}

func (s *shelf) view() shelfView {
	return shelfView{len(s.kept()), s.bytes, s.max, s.maxBytes, s.evicted}
}

type endpointView struct {
	Name    string       `json:"name"`
	URL     string       `json:"url"`
	Secrets []secretView `json:"secrets"`
}

type secretView struct {
	Name  string `json:"name"`
	Signs bool   `json:"signs"`
}

type statusView struct {
	Run       string         `json:"run"`
	Started   time.Time      `json:"started"`
	Now       time.Time      `json:"now"`
	Streams   int            `json:"streams"`
	Verified  shelfView      `json:"verified"`
	Rejected  shelfView      `json:"rejected"`
	Endpoints []endpointView `json:"endpoints"`
}

func (h *Handler) status(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, h.recorder.status())
	return nil
}

func (rc *Recorder) status() statusView {
	v := statusView{Run: rc.run, Started: rc.started.UTC(), Now: time.Now().UTC(), Endpoints: []endpointView{}}
	rc.mu.Lock()
	v.Streams, v.Verified, v.Rejected = len(rc.watchers), rc.verified.view(), rc.rejected.view()
	rc.mu.Unlock()
	for _, e := range rc.currentEndpoints() {
		url, _ := rc.locate(e)
		view := endpointView{Name: e.Name, URL: url, Secrets: []secretView{}}
		for _, s := range e.Secrets {
			view.Secrets = append(view.Secrets, secretView{s.Name, s.Key.Symmetric()})
		}
		v.Endpoints = append(v.Endpoints, view)
	}
	return v
}
