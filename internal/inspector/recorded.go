package inspector

import (
	"iter"
	"net/http"
	"slices"
	"time"
)

// Genuine is a recorded delivery as its sender would send it now.
type Genuine struct {
	Header http.Header
	Body   []byte
	Type   string
}

// Recorded returns the deliveries that an endpoint has forwarded in the given time, the
// oldest first, and of each message the latest only. They are signed again with the
// secret that verified them, which must be one of those with the fingerprints.
func (rc *Recorder) Recorded(endpoint *Endpoint, fingerprints [][32]byte, in time.Duration) iter.Seq[*Genuine] {
	since := time.Now().Add(-in)
	return func(yield func(*Genuine) bool) {
		for _, r := range latest(rc.snapshot().recordings) {
			if r.time.Before(since) || r.endpoint != endpoint.Name || !slices.Contains(fingerprints, r.decision.Fingerprint) {
				continue
			}
			o, err := rc.replay(r, edits{})
			if err != nil || o.secret == "" {
				continue // its body or its secret is gone
			}
			if !yield(&Genuine{o.header, o.body, r.decision.Type}) {
				return
			}
		}
	}
}

// latest returns the last recording of each message that was received and forwarded.
func latest(recordings []*Recording) []*Recording {
	isForwarded := func(r *Recording) bool {
		return r.origin == Received && r.decision.Verified && r.stages.forwarded > 0
	}
	last := make(map[string]*Recording)
	for _, r := range recordings {
		if isForwarded(r) {
			last[r.decision.MessageID] = r
		}
	}
	return slices.DeleteFunc(slices.Clone(recordings), func(r *Recording) bool {
		return !isForwarded(r) || last[r.decision.MessageID] != r
	})
}
