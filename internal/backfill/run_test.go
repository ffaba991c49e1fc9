package backfill

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testclerk"
)

// backend keeps what it accepts.
type backend struct {
	mu       sync.Mutex
	answer   func(Event) Answer // nil accepts all
	accepted []Event
	attempts map[string]int // by svix-id
}

func (b *backend) Send(ctx context.Context, id string, body []byte) Answer {
	b.mu.Lock()
	defer b.mu.Unlock()
	if ctx.Err() != nil {
		return Answer{Err: ctx.Err()}
	}
	if b.attempts == nil {
		b.attempts = make(map[string]int)
	}
	b.attempts[id]++
	payload := gjson.ParseBytes(body)
	e := Event{ID: id, Type: payload.Get("type").Str, Object: payload.Get("data.id").Str, Body: body}
	a := Answer{Status: http.StatusOK}
	if b.answer != nil {
		a = b.answer(e)
	}
	if a.accepted() {
		b.accepted = append(b.accepted, e)
	}
	return a
}

func (b *backend) ids() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var ids []string
	for _, e := range b.accepted {
		ids = append(ids, e.Object)
	}
	return ids
}

// optionsFor returns options with short delays.
func optionsFor(t testing.TB, instance *testclerk.Instance, b *backend) Options {
	return Options{
		Client: serve(t, instance), Sender: b, Kinds: []Kind{Users}, As: Created, Concurrency: 4,
		Notify: func(line string) { t.Log(line) }, delays: []time.Duration{time.Millisecond, time.Millisecond},
	}
}

func do(t *testing.T, o Options) *Run {
	t.Helper()
	r := New(o)
	if err := r.Do(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEventHoldsTheObjectByteForByte(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	user := testclerk.User(7)
	instance.Add(user)
	before := time.Now().UnixMilli()
	do(t, optionsFor(t, instance, b))
	if len(b.accepted) != 1 {
		t.Fatalf("sent %d events", len(b.accepted))
	}
	e := b.accepted[0]
	at := gjson.GetBytes(e.Body, "timestamp").Int()
	want := fmt.Sprintf(`{"data":%s,"instance_id":"%s","object":"event","timestamp":%d,"type":"user.created"}`, user.Compact(), testclerk.InstanceID, at)
	if string(e.Body) != want {
		t.Errorf("got  %s\nwant %s", e.Body, want)
	}
	if at < before || at > time.Now().UnixMilli() {
		t.Errorf("timestamp %d", at)
	}
	if want := fmt.Sprintf("msg_backfill_%s_created_%d", user.ID, user.Updated); e.ID != want {
		t.Errorf("svix-id %s, want %s", e.ID, want)
	}
}

func TestIDIsOfTheState(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.User(1))
	o := optionsFor(t, instance, b)
	do(t, o)
	do(t, o)
	o.As = Updated
	do(t, o)
	instance.Add(testclerk.UserAt(1, 1))
	do(t, o)
	ids := []string{b.accepted[0].ID, b.accepted[1].ID, b.accepted[2].ID, b.accepted[3].ID}
	if ids[0] != ids[1] || len(slices.Compact(slices.Clone(ids))) != 3 || b.accepted[2].Type != "user.updated" {
		t.Errorf("svix-ids %v", ids)
	}
}

func TestForeignKeysHold(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 300)...)
	instance.Add(testclerk.Organizations(0, 300)...)
	instance.Add(testclerk.Memberships(0, 300)...)
	b := &backend{attempts: make(map[string]int)}
	known := make(map[string]bool)
	b.answer = func(e Event) Answer {
		data := gjson.GetBytes(e.Body, "data")
		if e.Type == "organizationMembership.created" && (!known[data.Get("organization.id").Str] || !known[data.Get("public_user_data.user_id").Str]) {
			t.Errorf("%s comes before what it refers to", e.Object)
		}
		if strings.HasSuffix(e.Object, "77") && b.attempts[e.ID] < 3 { // late, because it is refused at first
			return Answer{Status: 500}
		}
		known[e.Object] = true
		return Answer{Status: 204}
	}
	o := optionsFor(t, instance, b)
	o.Kinds = Kinds()
	p := do(t, o).Progress()
	if want := map[string]int{"user.created": 300, "organization.created": 300, "organizationMembership.created": 300}; !maps.Equal(p.Accepted, want) || p.Refused != 0 || p.Waiting != 0 {
		t.Errorf("%+v", p)
	}
}

func TestSinceLeavesOutWhatHasNotChanged(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 500)...)
	instance.Add(testclerk.UserAt(3, 10))
	instance.Add(testclerk.UserAt(400, 10))
	o := optionsFor(t, instance, b)
	o.Since = time.UnixMilli(testclerk.UserAt(3, 10).Updated)
	p := do(t, o).Progress()
	got := b.ids()
	slices.Sort(got)
	if !slices.Equal(got, []string{testclerk.User(3).ID, testclerk.User(400).ID}) || p.Unwanted != 498 || p.Done != 500 || p.Total != 500 {
		t.Errorf("sent %v, %+v", got, p)
	}
}

func TestSingleObjects(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 5)...)
	instance.Add(testclerk.Memberships(0, 5)...)
	o := optionsFor(t, instance, b)
	o.Kinds = []Kind{Users, Memberships}
	o.IDs = map[Kind][]string{Users: {testclerk.User(2).ID, testclerk.User(9).ID}, Memberships: {testclerk.Membership(1).ID}}
	r := do(t, o)
	if got := b.ids(); !slices.Equal(got, []string{testclerk.User(2).ID, testclerk.Membership(1).ID}) || !slices.Equal(r.Missing(), []string{testclerk.User(9).ID}) {
		t.Errorf("sent %v, missing %v", got, r.Missing())
	}
}

func TestRefusedEventsAreSentAgainAndThenListed(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 20)...)
	b := &backend{attempts: make(map[string]int)}
	b.answer = func(e Event) Answer {
		switch {
		case e.Object == testclerk.User(3).ID, e.Object == testclerk.User(4).ID && b.attempts[e.ID] < 3:
			return Answer{Status: 500, Text: "no"}
		case e.Object == testclerk.User(5).ID && b.attempts[e.ID] < 2:
			return Answer{Err: errors.New("no answer")}
		}
		return Answer{Status: 200}
	}
	r := do(t, optionsFor(t, instance, b))
	refused := r.Refusals()
	if len(refused) != 1 || refused[0].Event.Object != testclerk.User(3).ID || refused[0].Answer.Text != "no" || b.attempts[refused[0].Event.ID] != 3 {
		t.Errorf("refused %+v", refused)
	}
	if p := r.Progress(); p.Accepted["user.created"] != 19 || p.Refused != 1 || p.Done != 20 {
		t.Errorf("%+v", p)
	}
}

func TestDelaysAreThoseOfSvix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		b := &backend{answer: func(Event) Answer {
			at = append(at, time.Since(start))
			return Answer{Status: 500}
		}}
		o := Options{Sender: b, Concurrency: 1, delays: svixDelays()}
		tally := newTally(func(string) {}, state{})
		d := newDeliverer(&o, tally, func(error) {})
		if err := d.start(t.Context(), Event{ID: "msg_1", Object: "user_1"}, tally.begin(nil)); err != nil {
			t.Fatal(err)
		}
		d.wait()
		if !slices.Equal(at, []time.Duration{0, 5 * time.Second, 5*time.Minute + 5*time.Second}) {
			t.Errorf("attempts at %v", at)
		}
	})
}

func TestBackendThatAcceptsNothingEndsTheRun(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 5000)...)
	b := &backend{answer: func(Event) Answer { return Answer{Status: 403} }}
	r := New(optionsFor(t, instance, b))
	err := r.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "refused 208 events in a row") || len(r.Refusals()) > 3*maxWaiting+20 {
		t.Errorf("%d refused, error %v", len(r.Refusals()), err)
	}
}

func TestTooManyRefusedEventsEndTheRun(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 5000)...)
	b := &backend{answer: func(e Event) Answer {
		if e.Object[len(e.Object)-1]%2 == 0 {
			return Answer{Status: 500}
		}
		return Answer{Status: 200}
	}}
	r := New(optionsFor(t, instance, b))
	err := r.Do(t.Context())
	if err == nil || !strings.Contains(err.Error(), "refused 1000 events") || len(r.Refusals()) > maxRefused+maxWaiting+4 {
		t.Errorf("%d refused, error %v", len(r.Refusals()), err)
	}
}

func TestRunGoesOnWhereItWasStopped(t *testing.T) {
	for _, at := range []int{1, 120, 251, 500, 799, 1200, 1700, 2100} {
		t.Run(fmt.Sprint("after ", at), func(t *testing.T) {
			instance := &testclerk.Instance{}
			instance.Add(testclerk.Users(0, 800)...)
			instance.Add(testclerk.Organizations(0, 600)...)
			instance.Add(testclerk.Memberships(0, 900)...)
			all := slices.Concat(idsOf(testclerk.Users(0, 800)), idsOf(testclerk.Organizations(0, 600)), idsOf(testclerk.Memberships(0, 900)))
			b := &backend{}
			o := optionsFor(t, instance, b)
			o.Kinds, o.Resume = Kinds(), filepath.Join(t.TempDir(), "resume.json")
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			b.answer = func(e Event) Answer {
				if len(b.accepted) == at-1 {
					stop()
				}
				if strings.HasSuffix(e.Object, "42") && b.attempts[e.ID] < 2 {
					return Answer{Status: 500} // waits for its next attempt when the run is stopped
				}
				return Answer{Status: 200}
			}
			o.delays = []time.Duration{50 * time.Millisecond}
			if err := New(o).Do(ctx); !errors.Is(err, context.Canceled) {
				t.Fatalf("error %v", err)
			}
			first := len(b.ids())
			r := do(t, o)
			got := b.ids()
			for _, id := range all {
				if !slices.Contains(got, id) {
					t.Errorf("%s is missing", id)
				}
			}
			if again := len(got) - len(all); again > 3*pageSize { // what is under way holds its page
				t.Errorf("%d events are sent again after %d", again, first)
			}
			if r.CanResume() {
				t.Error("the file is still there")
			}
		})
	}
}

func TestResumeFileOfAnotherRunIsRefused(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 3)...)
	file := filepath.Join(t.TempDir(), "resume.json")
	for name, tt := range map[string]struct {
		change func(*Options)
		says   string
	}{
		"the same":        {func(*Options) {}, ""},
		"--to":            {func(o *Options) { o.To = "https://example.org/" }, "--to"},
		"--as":            {func(o *Options) { o.As = Updated }, "--as"},
		"--since":         {func(o *Options) { o.SinceText = "36h" }, "--since"},
		"--organizations": {func(o *Options) { o.Kinds = Kinds() }, "--organizations"},
	} {
		t.Run(name, func(t *testing.T) {
			o := optionsFor(t, instance, b)
			o.Resume, o.To = file, "https://example.com/"
			s := state{Version: stateVersion, Run: identity{Instance: testclerk.InstanceID, To: o.To, Kinds: o.Kinds, As: o.As}}
			if err := saveState(file, s); err != nil {
				t.Fatal(err)
			}
			tt.change(&o)
			err := New(o).Do(t.Context())
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, ErrSetup) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestSinceOfAResumedRunIsThatOfItsStart(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 10)...)
	o := optionsFor(t, instance, b)
	o.Resume, o.SinceText, o.Since = filepath.Join(t.TempDir(), "resume.json"), "36h", time.Now()
	s := state{Version: stateVersion, Run: identity{Instance: testclerk.InstanceID, Kinds: o.Kinds, As: o.As, Since: "36h", SinceMs: testclerk.User(7).Updated}}
	if err := saveState(o.Resume, s); err != nil {
		t.Fatal(err)
	}
	do(t, o)
	if got := b.ids(); len(got) != 3 {
		t.Errorf("sent %v", got)
	}
}

func TestResumeFileForgetsUsersThatAreGone(t *testing.T) {
	instance := &testclerk.Instance{}
	instance.Add(testclerk.Users(0, 10)...)
	ctx, stop := context.WithCancel(t.Context())
	b := &backend{attempts: make(map[string]int)}
	b.answer = func(Event) Answer {
		if len(b.attempts) == 3 {
			stop()
		}
		return Answer{Status: 200}
	}
	o := optionsFor(t, instance, b)
	o.Resume = filepath.Join(t.TempDir(), "resume.json")
	s := state{
		Version: stateVersion, Run: identity{Instance: testclerk.InstanceID, Kinds: o.Kinds, As: o.As},
		Open: map[Kind][]string{Users: {testclerk.User(1).ID, testclerk.User(99).ID}},
	}
	if err := saveState(o.Resume, s); err != nil {
		t.Fatal(err)
	}
	if err := New(o).Do(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if s, err := readState(o.Resume); err != nil || len(s.Open) != 0 || b.accepted[0].Object != testclerk.User(1).ID {
		t.Errorf("open %v, error %v, sent %v", s.Open, err, b.ids())
	}
}

func TestDamagedResumeFileIsRefused(t *testing.T) {
	for name, content := range map[string]string{
		"empty":            "",
		"no JSON":          "x",
		"another version":  `{"version":2,"run":{"instance":"","to":"","kinds":null,"as":""},"place":{},"done":0}`,
		"unknown members":  `{"version":1,"x":1}`,
		"a strange cursor": `{"version":1,"place":{"after":"../../x"}}`,
		"a strange id":     `{"version":1,"open":{"users":["org_1"]}}`,
		"too large":        `{"version":1}` + strings.Repeat(" ", maxState),
	} {
		t.Run(name, func(t *testing.T) {
			o := optionsFor(t, &testclerk.Instance{}, &backend{})
			o.Resume = filepath.Join(t.TempDir(), "resume.json")
			if err := os.WriteFile(o.Resume, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := New(o).Do(t.Context()); !errors.Is(err, ErrSetup) || !strings.Contains(err.Error(), "not a resume file") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestDryRunSendsNothing(t *testing.T) {
	instance, b := &testclerk.Instance{}, &backend{}
	instance.Add(testclerk.Users(0, 400)...)
	instance.Add(testclerk.Organizations(0, 3)...)
	o := optionsFor(t, instance, b)
	o.Kinds, o.DryRun, o.Resume = Kinds(), true, filepath.Join(t.TempDir(), "resume.json")
	o.Known, o.MaxDeletions = knownIDs(append(idsOf(testclerk.Users(0, 400)), testclerk.User(999).ID)...), limit(t, "5%")
	var firsts []string
	o.First = func(e Event) { firsts = append(firsts, e.Type+" "+e.Object) }
	p := do(t, o).Progress()
	want := []string{"user.created " + testclerk.User(0).ID, "organization.created " + testclerk.Organization(0).ID, "user.deleted " + testclerk.User(999).ID}
	if !slices.Equal(firsts, want) || p.AllAccepted() != 404 || len(b.attempts) != 0 {
		t.Errorf("first %v, %+v", firsts, p)
	}
	if _, err := os.Stat(o.Resume); err == nil {
		t.Error("there is a resume file")
	}
}
