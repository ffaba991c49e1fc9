package fleet

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	mostCopies    = 6               // of each
	senderTimeout = time.Second     // Svix's 15 s
	leastDelay    = time.Second / 2 // Svix's 5 s, 5 min …
)

// sender sends as Svix does: each attempt has a new timestamp and signature, and
// attempts go on until one gets a 2xx.
type sender struct {
	nodes    []*node
	client   *http.Client
	requests atomic.Int64
}

func newSender(t *testing.T, nodes []*node) *sender {
	t.Helper()
	s := &sender{nodes: nodes, client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: *concurrency * mostCopies}}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// attempt returns the status, or 0 if there is no answer.
func (s *sender) attempt(ctx context.Context, n *node, id string) int {
	ctx, cancel := context.WithTimeout(ctx, senderTimeout)
	defer cancel()
	s.requests.Add(1)
	body := `{"data":{"id":"user_1"},"type":"user.created"}`
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		return 0
	}
	now := time.Now()
	signature, err := wh.Sign(id, now, []byte(body))
	if err != nil {
		return 0
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.address, strings.NewReader(body))
	if err != nil {
		return 0
	}
	r.Header = http.Header{"Svix-Id": {id}, "Svix-Timestamp": {strconv.FormatInt(now.Unix(), 10)}, "Svix-Signature": {signature}}
	res, err := s.client.Do(r)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// deliver sends one copy until it is accepted, first to a node and then to the
// others in turn.
func (s *sender) deliver(ctx context.Context, first int, id string) error {
	for turn := first; ; turn++ {
		if s.attempt(ctx, s.nodes[turn%len(s.nodes)], id)/100 == 2 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s was never accepted: %w", id, ctx.Err())
		case <-time.After(leastDelay + rand.N(leastDelay)):
		}
	}
}

// deliverCopies sends copies at the same moment, one after the other to each node.
func (s *sender) deliverCopies(ctx context.Context, t *testing.T, copies int, id string) {
	t.Helper()
	first := rand.IntN(len(s.nodes))
	var group sync.WaitGroup
	for i := range copies {
		group.Go(func() {
			if err := s.deliver(ctx, first+i, id); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
