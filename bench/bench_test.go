//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func TestQuantileInterpolates(t *testing.T) {
	for _, tt := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2}, 0.25, 1.25},
		{[]float64{2, 1}, 0, 1},
		{[]float64{2, 1}, 1, 2},
		{[]float64{7}, 0.75, 7},
	} {
		if got := quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("quantile(%v, %v) = %v, want %v", tt.values, tt.q, got, tt.want)
		}
	}
}

func TestRatiosStayWithinPairs(t *testing.T) {
	a := []run{{count: 10, wall: time.Second}, {count: 30, wall: time.Second}}
	b := []run{{count: 5, wall: time.Second}, {count: 10, wall: time.Second}}
	if got := ratios(a, b, run.perSecond); got[0] != 2 || got[1] != 3 {
		t.Errorf("got %v, want 2 and 3", got)
	}
}

func TestPayloadHasItsSizeAndItsTypeLast(t *testing.T) {
	for _, size := range verificationSizes {
		body, err := payload(size)
		if err != nil {
			t.Fatal(err)
		}
		if len(body) != size || string(event.TypeOf(body)) != eventType || !strings.HasSuffix(string(body), `,"type":"`+eventType+`"}`) {
			t.Errorf("%d bytes wanted, got %d, of type %q", size, len(body), event.TypeOf(body))
		}
	}
}

func TestEveryContenderSucceeds(t *testing.T) {
	contenders, err := newContenders(2 * kilobyte)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders {
		if err := c.newWorker()(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestLoadSendsTheRequestAsItIs(t *testing.T) {
	var first atomic.Pointer[http.Request]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); string(body) == "body" {
			first.CompareAndSwap(nil, r)
		}
		_, _ = io.WriteString(w, "an answer with a body")
	}))
	defer server.Close()

	address := server.Listener.Addr().String()
	req := newRequest(http.MethodPost, address, http.Header{"Svix-Id": {"msg_1"}}, []byte("body"), http.StatusOK)
	answered, lost, _, err := load(req, 2, 50*time.Millisecond)
	if err != nil || answered == 0 || lost != 0 {
		t.Fatalf("answered %d, lost %d, error %v", answered, lost, err)
	}
	r := first.Load()
	if r == nil || r.Method != http.MethodPost || r.Host != address || r.Header.Get("Svix-Id") != "msg_1" {
		t.Errorf("the server got %+v", r)
	}
}

func TestLoadConnectsAgainAfterConnectionClose(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()

	req := newRequest(http.MethodGet, server.Listener.Addr().String(), nil, nil, http.StatusForbidden)
	answered, lost, _, err := load(req, 1, 100*time.Millisecond)
	if err != nil || answered < 2 || lost != 0 {
		t.Errorf("answered %d, lost %d, error %v", answered, lost, err)
	}
}

func TestLoadFailsOnAnotherStatus(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	req := newRequest(http.MethodGet, server.Listener.Addr().String(), nil, nil, http.StatusOK)
	if _, _, _, err := load(req, 1, time.Second); err == nil || !strings.Contains(err.Error(), "answered 404 instead of 200") {
		t.Errorf("got error %v", err)
	}
}

func TestLoadCountsRequestsWithoutAnAnswer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = http.ReadRequest(bufio.NewReader(conn))
			_ = conn.Close()
		}
	}()

	req := newRequest(http.MethodGet, listener.Addr().String(), nil, nil, http.StatusOK)
	answered, lost, _, err := load(req, 1, 50*time.Millisecond)
	if err != nil || answered != 0 || lost == 0 {
		t.Errorf("answered %d, lost %d, error %v", answered, lost, err)
	}
}
