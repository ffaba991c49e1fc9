package inspector

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// follow starts to follow a recorder and returns what has been shown and missed. Both
// can be read while the bubble of the test is idle.
func follow(t *testing.T, rc *Recorder, forget bool, inShow func()) (shown *[]string, missed *uint64) {
	t.Helper()
	shown, missed = new([]string), new(uint64)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		rc.Follow(ctx, forget, func(ended []Ended, more uint64) {
			inShow()
			for _, e := range ended {
				*shown = append(*shown, e.MessageID)
			}
			*missed += more
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return shown, missed
}

func deliver(rc *Recorder, id string, isVerified bool) {
	w := answerless{make(http.Header)}
	recording(rc, &Endpoint{Name: "default"}, w, newDelivery(id, 100, ""), []byte(`{"type":"user.created","data":{"id":"u"}}`), decisionOf(id, isVerified))
}

func TestFollowShowsDeliveriesAsTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		deliver(rc, "before", true)
		shown, missed := follow(t, rc, false, func() {})
		first := rc.Begin(&Endpoint{}, answerless{make(http.Header)}, newDelivery("first", 100, ""))
		first.Forwarded(Progress{Decision: decisionOf("first", true)})
		deliver(rc, "second", true)
		deliver(rc, "third", false)
		waitForFollower(t)
		if want := []string{"second", "third"}; !slices.Equal(*shown, want) {
			t.Errorf("shown: %v, want %v", *shown, want)
		}
		first.End(Progress{Decision: decisionOf("first", true)}, nil)
		waitForFollower(t)
		if want := []string{"second", "third", "first"}; !slices.Equal(*shown, want) || *missed != 0 {
			t.Errorf("shown: %v, want %v; %d missed", *shown, want, *missed)
		}
		if kept := len(rc.snapshot().recordings); kept != 4 {
			t.Errorf("%d are kept", kept)
		}
	})
}

// waitForFollower lets the pauses of a follower pass.
func waitForFollower(t *testing.T) {
	t.Helper()
	for range 3 {
		time.Sleep(followPause)
		synctest.Wait()
	}
}

func TestFollowForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		shown, _ := follow(t, rc, true, func() {})
		pending := rc.Begin(&Endpoint{}, answerless{make(http.Header)}, newDelivery("pending", 100, ""))
		pending.Forwarded(Progress{Decision: decisionOf("pending", true)})
		deliver(rc, "genuine", true)
		deliver(rc, "forged", false)
		waitForFollower(t)
		if kept := rc.snapshot().recordings; len(kept) != 1 || kept[0].decision.MessageID != "pending" {
			t.Errorf("%d are kept", len(kept))
		}
		pending.End(Progress{Decision: decisionOf("pending", true)}, nil)
		waitForFollower(t)
		status := rc.status()
		if len(*shown) != 3 || status.Verified.Entries+status.Rejected.Entries != 0 || status.Verified.Bytes+status.Rejected.Bytes != 0 {
			t.Errorf("shown: %v, kept: %+v", *shown, status)
		}
	})
}

// A terminal may stand still, for example because somebody marks text in it.
func TestFollowNeverHoldsUpDeliveries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		stopped := make(chan struct{})
		shown, missed := follow(t, rc, false, func() { <-stopped })
		const count = maxRejected + 10
		deliver(rc, "seen", false)
		waitForFollower(t)
		for i := range count {
			deliver(rc, fmt.Sprint(i), false)
		}
		close(stopped)
		waitForFollower(t)
		if len(*shown) != maxRejected+1 || *missed != 10 {
			t.Errorf("%d shown, %d missed", len(*shown), *missed)
		}
	})
}

func TestFollowersDoNotCountAsStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rc := NewRecorder()
		follow(t, rc, false, func() {})
		if n := rc.status().Streams; n != 0 {
			t.Errorf("%d streams", n)
		}
	})
}

func TestEndedSaysWhatHappened(t *testing.T) {
	rc := NewRecorder()
	forged, genuine := decisionOf("msg_1", false), decisionOf("msg_1", true)
	endpoint := &Endpoint{Name: "default"}
	body := []byte(`{"type":"user.created","data":{"first_name":"Ada"}}`)
	for _, tt := range []struct {
		name                          string
		decision                      Decision
		forwarded                     bool
		err                           error
		isAborted                     bool
		subject, claim, cause, failed string
	}{
		{"genuine", genuine, true, nil, false, "Ada", "user.created", "", ""},
		{"forged", forged, false, fmt.Errorf("forged"), false, "Ada", "user.created", "the body is truncated: it has 51 bytes, and Content-Length says 101", ""},
		{"no application", genuine, true, fmt.Errorf("dial tcp: refused"), false, "Ada", "user.created", "", "dial tcp: refused"},
		{"cut off", genuine, true, nil, true, "Ada", "user.created", "", "the connection was cut off"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := rc.Begin(endpoint, answerless{make(http.Header)}, newDelivery("msg_1", 100, ""))
			p := Progress{Decision: tt.decision, Body: body, IsRead: true}
			if tt.forwarded {
				c.Forwarded(p)
			}
			c.end(p, tt.err, tt.isAborted)
			r := rc.find(rc.lastSeq)
			e := Ended{rc.summarize(r), rc, r}
			if e.Subject.Text != tt.subject || e.Subject.Type != tt.claim || e.Failure() != tt.failed {
				t.Errorf("subject %q, type %q, failure %q", e.Subject.Text, e.Subject.Type, e.Failure())
			}
			if cause := e.Cause(); cause != tt.cause {
				t.Errorf("the cause is %q", cause)
			}
		})
	}
}

func TestEndedHasACauseWhenTheEndpointIsGone(t *testing.T) {
	rc := NewRecorder()
	c := rc.Begin(&Endpoint{Name: "default"}, answerless{make(http.Header)}, newDelivery("msg_1", 50, ""))
	body := []byte(`{"type":"user.created","data":{"first_name":"Ada"}}`)
	c.End(Progress{Decision: decisionOf("msg_1", false), Body: body, IsRead: true}, fmt.Errorf("forged"))
	r := rc.find(rc.lastSeq)
	if cause := (Ended{rc.summarize(r), rc, r}).Cause(); cause != "there is no longer a signing secret, so the cause cannot be found" {
		t.Errorf("the cause is %q", cause)
	}
}
