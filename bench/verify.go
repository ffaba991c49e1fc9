//go:build linux

package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

var verificationSizes = []int{2 * rig.Kilobyte, 20 * rig.Kilobyte, 250 * rig.Kilobyte, rig.Kilobyte * rig.Kilobyte}

// contender is one way to handle a message.
type contender struct {
	name      string
	newWorker func() worker
}

// worker handles the message once. It is not safe for concurrent use.
type worker func() error

// measureVerification compares the guard's whole decision about a delivery with
// the bare HMAC over the same bytes and with Svix's library. The decision
// begins with headers and body, and ends with the event type. It is measured on
// one processor, and on all of them as on a server under load. There, garbage
// collection always costs something.
func measureVerification(o options, w io.Writer) error {
	processors := []int{1}
	if all := runtime.GOMAXPROCS(0); all > 1 {
		processors = append(processors, all)
	}
	for _, n := range processors {
		if err := measureVerificationOn(n, o, w); err != nil {
			return err
		}
	}
	return nil
}

func measureVerificationOn(processors int, o options, w io.Writer) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(processors))

	fmt.Fprintf(w, "\n## Verification, GOMAXPROCS %d, as many messages at once\n\n", processors)
	var each, compared strings.Builder
	for _, size := range verificationSizes {
		contenders, err := newContenders(size)
		if err != nil {
			return err
		}
		runs, err := alternate(contenders, o)
		if err != nil {
			return fmt.Errorf("%s: %w", rig.SizeName(size), err)
		}
		for i, c := range contenders {
			once := c.newWorker()
			fmt.Fprintf(&each, "| %s | %s | %.0f/s | %.0f MB/s | %.2f µs | %.0f |\n", rig.SizeName(size), c.name,
				median(runs[i], run.perSecond), float64(size)*median(runs[i], run.perSecond)/1e6,
				median(runs[i], run.cpuEach), testing.AllocsPerRun(100, func() { _ = once() }))
		}
		guard, bare, bareNew, library := runs[0], runs[1], runs[2], runs[3]
		for _, c := range []struct {
			name string
			a, b []run
		}{
			{"guard ÷ HMAC, keyed once", guard, bare},
			{"guard ÷ HMAC, keyed each time", guard, bareNew},
			{"Svix's library ÷ guard", library, guard},
		} {
			fmt.Fprintf(&compared, "| %s | %s | %s | %s |\n", rig.SizeName(size), c.name,
				spread(ratios(c.a, c.b, run.wallEach)), spread(ratios(c.a, c.b, run.cpuEach)))
		}
	}
	fmt.Fprintln(w, "| body | | throughput | | CPU each | allocations |")
	fmt.Fprintln(w, "|---|---|---|---|---|---|")
	fmt.Fprintln(w, each.String())
	fmt.Fprintln(w, "| body | ratio | of time | of CPU time |")
	fmt.Fprintln(w, "|---|---|---|---|")
	fmt.Fprint(w, compared.String())
	return nil
}

func newContenders(size int) ([]contender, error) {
	body, err := rig.Payload(size)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	headers, err := signedHeaders(now, body)
	if err != nil {
		return nil, err
	}
	guardKey, err := signature.ParseSecret(rig.Secret)
	if err != nil {
		return nil, err
	}
	library, err := svix.NewWebhook(rig.Secret)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(rig.Secret, "whsec_"))
	if err != nil {
		return nil, err
	}
	prefix := fmt.Appendf(nil, "%s.%d.", deliveryID, now.Unix())
	keys := []*signature.Key{guardKey}

	return []contender{
		{"guard", func() worker {
			return func() error { return decide(keys, headers, body) }
		}},
		{"HMAC, keyed once", func() worker {
			mac := hmac.New(sha256.New, key)
			sum := make([]byte, 0, sha256.Size)
			return func() error {
				mac.Reset()
				mac.Write(prefix)
				mac.Write(body)
				sum = mac.Sum(sum[:0])
				return nil
			}
		}},
		{"HMAC, keyed each time", func() worker {
			sum := make([]byte, 0, sha256.Size)
			return func() error {
				mac := hmac.New(sha256.New, key)
				mac.Write(prefix)
				mac.Write(body)
				sum = mac.Sum(sum[:0])
				return nil
			}
		}},
		{"Svix's library", func() worker {
			return func() error { return library.Verify(body, headers) }
		}},
	}, nil
}

var errType = errors.New("the event type was not found")

// decide is what the guard does between reading a request and forwarding it.
func decide(keys []*signature.Key, header http.Header, body []byte) error {
	h, err := signature.ParseHeaders(header)
	if err != nil {
		return err
	}
	if err := h.CheckFreshness(time.Now(), 5*time.Minute); err != nil {
		return err
	}
	if _, err := signature.Verify(keys, &h, body); err != nil {
		return err
	}
	if string(event.TypeOf(body)) != rig.EventType {
		return errType
	}
	return nil
}

// turn is how long one contender works before the next. It is long enough for
// the clocks, and short enough that other load on the machine affects all
// contenders alike.
const turn = 5 * time.Millisecond

// alternate gives every contender its share of o.duration in each of o.pairs
// rounds. A round has many short turns. Their order reverses each time.
func alternate(contenders []contender, o options) ([][]run, error) {
	workers := make([][]worker, len(contenders))
	counts := make([]int, len(contenders))
	for i, c := range contenders {
		for range runtime.GOMAXPROCS(0) {
			workers[i] = append(workers[i], c.newWorker())
		}
		if err := workers[i][0](); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		counts[i] = countPerTurn(workers[i])
	}
	turns := max(1, int(o.duration/turn)/len(contenders))
	results := make([][]run, len(contenders))
	for range o.pairs {
		sums := make([]run, len(contenders))
		for t := range turns {
			for i := range contenders {
				if t%2 == 1 {
					i = len(contenders) - 1 - i
				}
				sums[i] = sums[i].plus(repeat(workers[i], counts[i]))
			}
		}
		for i, sum := range sums {
			results[i] = append(results[i], sum)
		}
	}
	return results, nil
}

// countPerTurn finds how often each worker can do its work in one turn. This
// also warms them up.
func countPerTurn(workers []worker) int {
	for count := 1; ; count *= 2 {
		if r := repeat(workers, count); r.wall >= turn {
			return max(1, int(float64(count)*float64(turn)/float64(r.wall)))
		}
	}
}

// repeat runs all workers at once, each count times.
func repeat(workers []worker, count int) run {
	var all sync.WaitGroup
	cpu, start := ownCPU(), time.Now()
	for _, once := range workers {
		all.Go(func() {
			for range count {
				_ = once() // has succeeded before
			}
		})
	}
	all.Wait()
	return run{count: count * len(workers), wall: time.Since(start), cpu: ownCPU() - cpu}
}
