package command

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestSvixClientWaitsAsLongAsSvix(t *testing.T) {
	if got := newSvixClient(1).Timeout; got != 15*time.Second {
		t.Errorf("it waits %s", got)
	}
}

func TestSendTimesOut(t *testing.T) {
	release := make(chan struct{})
	backend := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer backend.Close()
	defer close(release)
	client := newSvixClient(1)
	client.Timeout = 50 * time.Millisecond
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, backend.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := exchange(client, r); a.status != 0 || err == nil || err.Error() != "no answer within 15s" {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestSendReportsABrokenAnswer(t *testing.T) {
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("only this"))
		panic(http.ErrAbortHandler)
	}))
	defer backend.Close()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, backend.URL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	got, err := exchange(newSvixClient(1), r)
	if a := (attempt{answer: got, err: err}); err == nil || a.accepted() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestReportLimitsTheKindsOfErrors(t *testing.T) {
	r := &report{out: io.Discard, statuses: make(map[int]int), errors: make(map[string]int)}
	for i := range 1000 {
		r.add(attempt{err: errors.New(string(rune('a'+i%26)) + "!")})
	}
	total := 0
	for _, n := range r.errors {
		total += n
	}
	if len(r.errors) > countedErrors+1 || total != 1000 {
		t.Errorf("%d kinds of %d errors", len(r.errors), total)
	}
}
