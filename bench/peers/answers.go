//go:build linux

package main

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// question is a request that both verifying proxies must answer alike.
// Otherwise one could be quicker because it checks less.
type question struct {
	name   string
	method string
	change func(http.Header) // changes a genuine delivery of that time
	at     time.Duration     // relative to now
	status int
}

var questions = []question{
	{"a genuine delivery", http.MethodPost, unchanged, 0, http.StatusOK},
	{"a GET", http.MethodGet, unchanged, 0, http.StatusMethodNotAllowed},
	{"no id", http.MethodPost, func(h http.Header) { h.Del("Svix-Id") }, 0, http.StatusBadRequest},
	{"two ids", http.MethodPost, func(h http.Header) { h.Add("Svix-Id", "msg_2") }, 0, http.StatusBadRequest},
	{"an id with a full stop", http.MethodPost, func(h http.Header) { h.Set("Svix-Id", "a.b") }, 0, http.StatusBadRequest},
	{"no signature", http.MethodPost, func(h http.Header) { h.Del("Svix-Signature") }, 0, http.StatusBadRequest},
	{"a timestamp in words", http.MethodPost, func(h http.Header) { h.Set("Svix-Timestamp", "now") }, 0, http.StatusBadRequest},
	{"ten minutes old", http.MethodPost, unchanged, -10 * time.Minute, http.StatusForbidden},
	{"ten minutes ahead", http.MethodPost, unchanged, 10 * time.Minute, http.StatusForbidden},
	{"another id", http.MethodPost, func(h http.Header) { h.Set("Svix-Id", "msg_2") }, 0, http.StatusForbidden},
	{"the second signature of three", http.MethodPost, addSignatures, 0, http.StatusOK},
	{"the other names of the headers", http.MethodPost, renameHeaders, 0, http.StatusOK},
	{"an incomplete set beside a complete one", http.MethodPost, func(h http.Header) {
		renameHeaders(h)
		h.Set("Svix-Id", "msg_2")
	}, 0, http.StatusBadRequest},
}

func unchanged(http.Header) {}

func addSignatures(h http.Header) {
	wrong := "v1," + strings.Repeat("A", 43) + "="
	h.Set("Svix-Signature", wrong+" "+h.Get("Svix-Signature")+" v1a,AAAA")
}

func renameHeaders(h http.Header) {
	for _, part := range []string{"Id", "Timestamp", "Signature"} {
		h.Set("Webhook-"+part, h.Get("Svix-"+part))
		h.Del("Svix-" + part)
	}
}

// checkAnswers sends the questions to the proxies that verify, in front of the
// fast backend.
func (t *testbed) checkAnswers() error {
	body, err := rig.Payload(2 * rig.Kilobyte)
	if err != nil {
		return err
	}
	for _, s := range t.subjects {
		if s.name != guard && s.name != nginxLua {
			continue
		}
		for _, q := range questions {
			header, err := rig.SignedHeaders(rig.Secret, "msg_1", time.Now().Add(q.at), body)
			if err != nil {
				return err
			}
			q.change(header)
			status, err := ask("http://"+s.addresses[fast], q.method, header, body)
			if err != nil {
				return err
			}
			if status != q.status {
				return fmt.Errorf("%s answers %s with %d instead of %d", s.name, q.name, status, q.status)
			}
		}
	}
	return nil
}

func ask(url, method string, header http.Header, body []byte) (status int, err error) {
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header = header
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	return res.StatusCode, res.Body.Close()
}
