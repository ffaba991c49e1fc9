//go:build linux

package rig

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

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
	req := NewRequest(http.MethodPost, address, http.Header{"Svix-Id": {"msg_1"}}, []byte("body"))
	result, err := newLoad(address, http.StatusOK, req).Run()
	if err != nil || result.Answered == 0 || result.Lost != 0 {
		t.Fatalf("answered %d, lost %d, error %v", result.Answered, result.Lost, err)
	}
	if result.Answered != len(result.Latencies) || result.LatencyQuantile(0.5) <= 0 {
		t.Errorf("%d answers with %d latencies, median %v", result.Answered, len(result.Latencies), result.LatencyQuantile(0.5))
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

	load := newLoad(server.Listener.Addr().String(), http.StatusForbidden, NewRequest(http.MethodGet, "localhost", nil, nil))
	r, err := load.Run()
	if err != nil || r.Answered < 2 || r.Lost != 0 {
		t.Errorf("answered %d, lost %d, error %v", r.Answered, r.Lost, err)
	}
}

func TestLoadFailsOnAnotherStatus(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()

	load := newLoad(server.Listener.Addr().String(), http.StatusOK, NewRequest(http.MethodGet, "localhost", nil, nil))
	if _, err := load.Run(); err == nil || !strings.Contains(err.Error(), "answered 404 instead of 200") {
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

	load := newLoad(listener.Addr().String(), http.StatusOK, NewRequest(http.MethodGet, "localhost", nil, nil))
	r, err := load.Run()
	if err != nil || r.Answered != 0 || r.Lost == 0 {
		t.Errorf("answered %d, lost %d, error %v", r.Answered, r.Lost, err)
	}
}

func TestLoadSendsEveryRequestByTurns(t *testing.T) {
	var seen sync.Map
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Svix-Id"), true)
	}))
	defer server.Close()

	ids := []string{"msg_1", "msg_2", "msg_3"}
	var requests []Request
	for _, id := range ids {
		requests = append(requests, NewRequest(http.MethodPost, "localhost", http.Header{"Svix-Id": {id}}, nil))
	}
	if _, err := newLoad(server.Listener.Addr().String(), http.StatusOK, requests...).Run(); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if _, ok := seen.Load(id); !ok {
			t.Errorf("%s was not sent", id)
		}
	}
}

func TestLoadKeepsToItsRate(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()

	load := newLoad(server.Listener.Addr().String(), http.StatusOK, NewRequest(http.MethodGet, "localhost", nil, nil))
	load.Rate, load.Duration = 100, 200*time.Millisecond
	result, err := load.Run()
	if err != nil || result.Answered == 0 || result.Answered > 20 {
		t.Errorf("%d answers, want at most 20, error %v", result.Answered, err)
	}
}

func TestRequestsFallDueEvenlyOverTheConnections(t *testing.T) {
	begin := time.Unix(1771059845, 0)
	load := Load{Connections: 4, Rate: 100}
	for place := range 12 {
		want := begin.Add(time.Duration(place) * 10 * time.Millisecond)
		if got := load.due(place%4, place/4, begin); !got.Equal(want) {
			t.Errorf("request %d is due at %v, want %v", place, got, want)
		}
	}
}

// newLoad returns a short load on two connections.
func newLoad(address string, status int, requests ...Request) Load {
	return Load{Address: address, Requests: requests, Status: status, Connections: 2, Duration: 50 * time.Millisecond}
}
