package command

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/backfill"
)

func TestBackfillProgress(t *testing.T) {
	var out, errOut bytes.Buffer
	r := &backfillReport{out: &out, errOut: &errOut}
	start := time.Now()
	r.progress(backfill.Progress{Phase: "users", Began: start, Total: 25_000}, start)
	r.progress(backfill.Progress{Phase: "users", Began: start, Done: 5000, Total: 25_000, Waiting: 2, Refused: 1}, start.Add(10*time.Second))
	later := start.Add(15 * time.Second)
	r.progress(backfill.Progress{Phase: "organizations", Began: later, From: 100, Done: 110}, later.Add(time.Second))
	want := "users: 0 of 25000, 0 a second\nusers: 5000 of 25000, 500 a second, 40s left, 2 wait for another attempt, 1 refused\norganizations: 110, 10 a second\n"
	if errOut.String() != want || out.Len() > 0 {
		t.Errorf("got %s", errOut.String())
	}

	errOut.Reset()
	r.terminal = true
	r.progress(backfill.Progress{Phase: "users", Began: start, Done: 1}, start)
	r.notice("a\x1b[31m notice")
	if got := errOut.String(); got != "\rusers: 1, 0 a second\x1b[K\r\x1b[Ka\\x1b[31m notice\n" {
		t.Errorf("got %q", got)
	}

	errOut.Reset()
	r.asJSON = true
	r.progress(backfill.Progress{Phase: "users", Began: start, Done: 1, Accepted: map[string]int{"user.created": 1}}, start.Add(time.Second))
	if got := out.String(); !strings.HasPrefix(got, `{"progress":{"phase":"users","done":1,"total":0,"accepted":1,`) || errOut.Len() > 0 {
		t.Errorf("got %q", got)
	}
}

func TestParseSince(t *testing.T) {
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"36h":                  now.Add(-36 * time.Hour),
		"7d":                   now.Add(-7 * 24 * time.Hour),
		"2026-11-01":           time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC),
		"2026-11-01T09:00:00Z": time.Date(2026, 11, 1, 9, 0, 0, 0, time.UTC),
	} {
		if got, err := parseSince(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%s: %s, %v", text, got, err)
		}
	}
}

func TestAskToGoOn(t *testing.T) {
	for answer, ok := range map[string]bool{"y\n": true, "YES\r\n": true, "\n": false, "n\n": false, "": false, "yes, and more than fits": false} {
		var out bytes.Buffer
		err := askToGoOn(strings.NewReader(answer), &out, "https://example.com/\x1b")
		if (err == nil) != ok || out.String() != `This sends data of a production instance to https://example.com/\x1b. Continue? [y/N] ` {
			t.Errorf("%q: %v after %s", answer, err, out.String())
		}
	}
}
