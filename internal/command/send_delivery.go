package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// maxAnswer is how much of an answer is read, so that the connection can be used
// again. keptAnswer is how much of it is shown.
const (
	maxAnswer  = 64 << 10
	keptAnswer = 2 << 10
)

// staleness is the age of deliveries with an invalid timestamp. Guards allow five
// minutes.
const staleness = 10 * time.Minute

type signer struct {
	keys      []*signature.Key
	id        string // of every delivery, if not ""
	timestamp string // as given with --timestamp, if not ""
	invalid   string
}

func newSigner(cmd *cobra.Command, in *input) (*signer, error) {
	f := cmd.Flags()
	s := &signer{}
	s.id, _ = f.GetString("id")
	s.timestamp, _ = f.GetString("timestamp")
	s.invalid, _ = f.GetString("invalid")
	if f.Changed("invalid") && !slices.Contains(invalidKinds, s.invalid) {
		return nil, fmt.Errorf("--invalid %q: give one of %s", s.invalid, strings.Join(invalidKinds, ", "))
	}
	if s.timestamp != "" {
		if _, err := parseTimestamp("timestamp", s.timestamp, time.Now()); err != nil {
			return nil, err
		}
	}
	var err error
	s.keys, err = signingKeys(cmd, in, s.invalid)
	return s, err
}

// signingKeys returns the keys to sign with. A wrong signature needs no secret.
func signingKeys(cmd *cobra.Command, in *input, invalid string) ([]*signature.Key, error) {
	if invalid == invalidSignature {
		stranger, err := signature.ParseSecret(signature.GenerateSecret())
		return []*signature.Key{stranger}, err
	}
	secrets, err := requireSecrets(cmd, in)
	if err != nil {
		return nil, err
	}
	var keys []*signature.Key
	for _, secret := range secrets {
		key, err := secret.Parse()
		if err != nil {
			return nil, err
		}
		if !key.Symmetric() {
			return nil, fmt.Errorf("%v: %w: give the sender's secret (whsec_…)", secret, signature.ErrCannotSign)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

func (s *signer) nextID() string {
	if s.id != "" {
		return s.id
	}
	return event.NewID("msg", time.Now())
}

func (s *signer) request(ctx context.Context, to, id string, body []byte) (*http.Request, error) {
	now := time.Now()
	signedAt := now
	if s.timestamp != "" {
		signedAt, _ = parseTimestamp("timestamp", s.timestamp, now) // newSigner has checked it
	}
	if s.invalid == invalidTimestamp {
		signedAt = now.Add(-staleness)
	}
	signatures, err := s.sign(id, signedAt, body)
	if err != nil {
		return nil, err
	}
	if body, err = s.spoil(body); err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header = event.SenderHeader()
	// Svix writes these names in small letters. Go leaves them as they are unless Set
	// is used.
	r.Header["svix-id"] = []string{id}
	r.Header["svix-timestamp"] = []string{strconv.FormatInt(signedAt.Unix(), 10)}
	if s.invalid != missingHeader {
		r.Header["svix-signature"] = []string{signatures}
	}
	return r, nil
}

// spoil changes a body that is signed already, if that is asked for.
func (s *signer) spoil(body []byte) ([]byte, error) {
	switch s.invalid {
	case invalidBody:
		return event.Set(body, "data.changed_after_signing", "true")
	case reformatted:
		var indented bytes.Buffer
		err := json.Indent(&indented, body, "", "  ")
		return indented.Bytes(), err
	}
	return body, nil
}

// sign returns a signature of each key, as Svix does while a secret is rotated.
func (s *signer) sign(id string, at time.Time, body []byte) (string, error) {
	var all []string
	for _, key := range s.keys {
		one, err := key.Sign(id, at, body)
		if err != nil {
			return "", err
		}
		all = append(all, one)
	}
	return strings.Join(all, " "), nil
}

type attempt struct {
	eventType, subject, id string
	answer
	took  time.Duration
	err   error
	found finding // of an inspector, if the delivery was refused
}

type answer struct {
	status   int    // 0 if there was none
	text     string // its beginning
	location string // of a redirect
	header   http.Header
}

// accepted reports whether Svix would count the delivery as delivered.
func (a attempt) accepted() bool { return a.err == nil && a.status >= 200 && a.status <= 299 }

// newSvixClient returns a client that behaves as Svix's does.
func newSvixClient(connections int) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConns = connections
	transport.MaxIdleConnsPerHost = connections
	transport.DisableCompression = true
	return &http.Client{
		Transport:     transport,
		Timeout:       sendTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (p *sendPlan) send(ctx context.Context, client *http.Client, one payload) attempt {
	a := attempt{eventType: one.eventType, subject: event.Subject(one.body), id: p.signer.nextID()}
	r, err := p.signer.request(ctx, p.to.String(), a.id, one.body)
	if err != nil {
		a.err = err
		return a
	}
	start := time.Now()
	a.answer, a.err = exchange(client, r)
	a.took = time.Since(start)
	return a
}

// exchange returns what is known of the answer, also with an error.
func exchange(client *http.Client, r *http.Request) (a answer, err error) {
	res, err := client.Do(r)
	if err != nil {
		return a, explainNoAnswer(err)
	}
	defer res.Body.Close()
	a.status, a.header = res.StatusCode, res.Header
	if a.status/100 == 3 {
		a.location = res.Header.Get("Location")
	}
	content, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return a, fmt.Errorf("the answer broke off: %w", explainNoAnswer(err))
	}
	a.text = string(content[:min(len(content), keptAnswer)])
	return a, nil
}

// explainNoAnswer says why there was no answer. The text is the same for every
// delivery, so that it can be counted.
func explainNoAnswer(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("nothing listens there (connection refused)")
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the connection was closed without an answer")
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("no answer within %s", sendTimeout)
	}
	return signature.RedactError(err) // it has the URL
}
