//go:build linux

package main

import (
	"net/http"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// proxyComparisons send genuine deliveries, which reach the upstream.
func proxyComparisons(t *testbed) ([]comparison, error) {
	var all []comparison
	for _, size := range []int{2 * rig.Kilobyte, 20 * rig.Kilobyte, 250 * rig.Kilobyte} {
		body, err := rig.Payload(size)
		if err != nil {
			return nil, err
		}
		all = append(all, comparison{
			name:   rig.SizeName(size),
			method: http.MethodPost,
			header: func() (http.Header, error) { return signedHeaders(time.Now(), body) },
			body:   body,
			sides:  [2]side{{t.guarded, http.StatusOK}, {t.bare, http.StatusOK}},
		})
	}
	return all, nil
}

// flood is a kind of request that the guard rejects.
type flood struct {
	name   string
	method string
	sizes  []int
	status int
	// spoil makes the headers of a genuine delivery of body invalid.
	spoil func(header http.Header, body []byte) error
}

var (
	anySize  = []int{0, 2 * rig.Kilobyte, 20 * rig.Kilobyte}
	someSize = []int{2 * rig.Kilobyte, 20 * rig.Kilobyte}
	noBody   = []int{0}
)

var floods = []flood{
	{"GET", http.MethodGet, noBody, http.StatusMethodNotAllowed, removeSigned},
	{"no headers", http.MethodPost, anySize, http.StatusBadRequest, removeSigned},
	{"malformed timestamp", http.MethodPost, anySize, http.StatusBadRequest, func(header http.Header, _ []byte) error {
		header.Set("Svix-Timestamp", header.Get("Svix-Timestamp")+"s")
		return nil
	}},
	{"stale", http.MethodPost, anySize, http.StatusForbidden, signedAgo(time.Hour)},
	{"from the future", http.MethodPost, anySize, http.StatusForbidden, signedAgo(-time.Hour)},
	{"declared too large", http.MethodPost, someSize, http.StatusRequestEntityTooLarge, func(http.Header, []byte) error {
		return nil // max_body of the strict site is smaller
	}},
	{"wrong signature", http.MethodPost, someSize, http.StatusForbidden, func(header http.Header, body []byte) error {
		other, err := signedHeaders(time.Now(), append([]byte(" "), body...))
		header.Set("Svix-Signature", other.Get("Svix-Signature"))
		return err
	}},
}

func removeSigned(header http.Header, _ []byte) error {
	header.Del("Svix-Id")
	header.Del("Svix-Timestamp")
	header.Del("Svix-Signature")
	return nil
}

func signedAgo(age time.Duration) func(http.Header, []byte) error {
	return func(header http.Header, body []byte) error {
		old, err := signedHeaders(time.Now().Add(-age), body)
		for name, values := range old {
			header[name] = values
		}
		return err
	}
}

// floodComparisons send invalid requests. The other side answers them with
// `error 400`.
func floodComparisons(t *testbed) ([]comparison, error) {
	var all []comparison
	for _, f := range floods {
		for _, size := range f.sizes {
			var body []byte
			if size > 0 {
				var err error
				if body, err = rig.Payload(size); err != nil {
					return nil, err
				}
			}
			guarded := t.guarded
			if f.status == http.StatusRequestEntityTooLarge {
				guarded = t.strict
			}
			all = append(all, comparison{
				name:   f.name + ", " + rig.SizeName(size),
				method: f.method,
				header: func() (http.Header, error) { return f.header(body) },
				body:   body,
				sides:  [2]side{{guarded, f.status}, {t.refusing, http.StatusBadRequest}},
			})
		}
	}
	return all, nil
}

func (f flood) header(body []byte) (http.Header, error) {
	header, err := signedHeaders(time.Now(), body)
	if err != nil {
		return nil, err
	}
	return header, f.spoil(header, body)
}
