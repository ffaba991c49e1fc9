package inspector

import (
	"context"
	"time"
)

// followPause is the time between two looks for deliveries that have ended.
const followPause = 100 * time.Millisecond

// Ended is a delivery that has ended. Its JSON is that of an entry in a list of the
// API.
type Ended struct {
	summaryView

	recorder  *Recorder
	recording *Recording
}

// Follow calls show with the deliveries that have ended since its last call, in the
// order of their ends, until ctx is done, and then a last time. It never holds up a
// delivery. If deliveries come faster than show handles them, it misses some, and says
// how many.
//
// If forget is true, nothing is kept of a delivery after show has returned.
func (rc *Recorder) Follow(ctx context.Context, forget bool, show func(ended []Ended, missed uint64)) {
	changes, stop := rc.watch()
	defer stop()
	last := rc.snapshot()
	for isLast := false; !isLast; {
		select {
		case <-ctx.Done():
			isLast = true
		case <-changes:
		}
		now := rc.snapshot()
		ended := rc.endedSince(now, last.version)
		if count := now.ended - last.ended; count > 0 {
			show(ended, count-uint64(len(ended)))
		}
		if forget {
			for _, e := range ended {
				rc.remove(e.recording)
			}
		}
		last = now
		select {
		case <-ctx.Done():
		case <-time.After(followPause):
		}
	}
}

func (rc *Recorder) endedSince(now snapshot, version uint64) (ended []Ended) {
	for _, r := range now.since(version) {
		if r.answer != nil {
			ended = append(ended, Ended{rc.summarize(r), rc, r})
		}
	}
	return ended
}

// Cause says in words why the delivery was rejected, or "" if it was not. It takes as
// long as the diagnosis of a signature.
func (e Ended) Cause() string {
	if !e.recording.isRejected() {
		return ""
	}
	for _, finding := range e.recorder.diagnose(e.recording).Findings {
		return finding.Message
	}
	return ""
}

// Failure says what became of a delivery that the handlers behind the guard did not
// answer themselves, or "" if they did.
func (e Ended) Failure() string {
	switch a := e.recording.answer; {
	case !e.Passed || a.state == answered:
		return ""
	case a.state == aborted:
		return "the connection was cut off"
	default:
		return a.err
	}
}
