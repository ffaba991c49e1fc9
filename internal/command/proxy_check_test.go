package command

import (
	"crypto/tls"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/selfcheck"
)

// refuse answers as a guard does.
func refuse(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && selfcheck.Is(r) {
		selfcheck.Confirm(w, r)
	}
	w.WriteHeader(http.StatusBadRequest)
}

func TestCheckGuarded(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answer  http.HandlerFunc
		problem string
	}{
		{"the guard refuses", refuse, ""},
		{"the backend accepts", func(http.ResponseWriter, *http.Request) {}, "is not guarded: the guard should refuse an unsigned delivery, but the answer was 200"},
		{"the backend refuses", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }, "but the answer was 400"},
		{"the backend refuses and returns the headers", func(w http.ResponseWriter, r *http.Request) {
			for name, values := range r.Header {
				w.Header()[name] = values
			}
			w.WriteHeader(http.StatusForbidden)
		}, "but the answer was 403"},
		{"the backend redirects to what is guarded", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/guarded" {
				refuse(w, r)
				return
			}
			http.Redirect(w, r, "/guarded", http.StatusTemporaryRedirect)
		}, "but the answer was 307"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(tt.answer)
			defer server.Close()
			err := site{url: server.URL}.checkGuarded(t.Output(), server.URL+"/hook", time.Minute)
			if tt.problem == "" && err != nil || tt.problem != "" && (err == nil || !strings.Contains(err.Error(), tt.problem)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A connection that breaks says nothing about the guard.
func TestCheckGuardedTriesAgainAfterALostConnection(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lost  int32 // connections, before the first that gets an answer
		error string
	}{
		{"the first is lost", 1, ""},
		{"three are lost", 3, ""},
		{"all are lost", 100, "checking whether the guard refuses an unsigned delivery: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var connections atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if connections.Add(1) <= tt.lost {
					panic(http.ErrAbortHandler)
				}
				refuse(w, r)
			}))
			defer server.Close()
			err := site{url: server.URL}.checkGuarded(t.Output(), server.URL+"/hook", time.Minute)
			if tt.error == "" && err != nil || tt.error != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.error)) {
				t.Errorf("got %v", err)
			}
			if got, most := connections.Load(), int32(4); got > most {
				t.Errorf("%d connections, want at most %d", got, most)
			}
		})
	}
}

func TestProxySaysThatItGuardsOnlyAfterTheGuardHasRefused(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"Guarding": refuse,
		"":         func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) },
	} {
		server := httptest.NewServer(answer)
		defer server.Close()
		p := &proxy{}
		p.Listener, p.Path = site{url: server.URL}, "/hook"
		var out strings.Builder
		err := p.announce(&out)
		if said, _, _ := strings.Cut(out.String(), " "); said != name || (err == nil) != (name == "Guarding") {
			t.Errorf("printed %q, error %v", out.String(), err)
		}
	}
}

func TestCheckGuardedWaitsForTheCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(refuse))
	server.StartTLS()
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	attempts := 0
	server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if attempts++; attempts < 3 {
			return nil, errors.New("no certificate")
		}
		return nil, nil
	}
	var out strings.Builder
	s := site{url: "https://hooks.example.com:" + port}
	if err := s.checkGuarded(&out, s.url+"/hook", time.Minute); err != nil || attempts != 3 {
		t.Errorf("after %d attempts: %v", attempts, err)
	}
	if want := "Waiting for the certificate of " + s.url + "\n"; out.String() != want {
		t.Errorf("it says %q, not %q", out.String(), want)
	}
}

func TestCheckGuardedGivesUpWithoutACertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(refuse))
	server.StartTLS()
	defer server.Close()
	_, port, _ := strings.Cut(server.Listener.Addr().String(), ":")
	server.TLS.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return nil, errors.New("no certificate")
	}
	s := site{url: "https://hooks.example.com:" + port}
	err := s.checkGuarded(t.Output(), s.url+"/hook", time.Millisecond)
	if want := s.url + " has no certificate after 1ms: "; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s…", err, want)
	}
}
