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
	r.progress(backfill.Progress{Phase: "users", Total: 25_000}, start)
	r.progress(backfill.Progress{Phase: "users", Done: 5000, Total: 25_000, Waiting: 2, Refused: 1}, start.Add(10*time.Second))
	r.progress(backfill.Progress{Phase: "organizations", Done: 0}, start.Add(20*time.Second))
	want := "users: 0 of 25000, 0 a second\nusers: 5000 of 25000, 500 a second, 40s left, 2 wait for another attempt, 1 refused\norganizations: 0, 0 a second\n"
	if errOut.String() != want || out.Len() > 0 {
		t.Errorf("got %s", errOut.String())
	}

	errOut.Reset()
	r.terminal = true
	r.progress(backfill.Progress{Phase: "users", Done: 1}, start)
	r.notice("a\x1b[31m notice")
	if got := errOut.String(); got != "\rusers: 1, 0 a second\x1b[K\r\x1b[Ka\\x1b[31m notice\n" {
		t.Errorf("got %q", got)
	}

	errOut.Reset()
	r.asJSON = true
	r.progress(backfill.Progress{Phase: "users", Done: 1, Accepted: map[string]int{"user.created": 1}}, start.Add(time.Second))
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
