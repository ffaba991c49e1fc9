//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

const (
	idleListeners = relay.MaxListeners - 1 // beside the one that answers

	calmRate = 500 // deliveries a second

	strangersPerSecond = 200
	strangersTime      = 10 * time.Second
)

const relayCaddyfile = `{
	admin off
	persist_config off
	skip_install_trust
	auto_https off
}

http://%[1]s {
	clerk_webhook {
		secret %[3]s
		relay
	}
}

http://%[2]s {
	reverse_proxy %[4]s
}
`

// relayBed is a Caddy with a relay and a bare reverse proxy, a listener, and the
// upstream behind both.
type relayBed struct {
	caddy, listener, upstream *rig.Process
	relay, bare               string // addresses
}

func newRelayBed(dir string) (*relayBed, error) {
	program, err := rig.BuildCaddy(dir)
	if err != nil {
		return nil, err
	}
	addresses, err := loopback.FreeAddresses(3)
	if err != nil {
		return nil, err
	}
	b := &relayBed{relay: addresses[0], bare: addresses[1]}
	upstream, upstreamAddress, err := rig.StartUpstream()
	if err != nil {
		return nil, err
	}
	b.upstream = upstream
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, relayCaddyfile, b.relay, b.bare, rig.Secret, upstreamAddress), 0o600); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	if b.caddy, _, err = rig.Start(exec.Command(program, "run", "--config", config), "serving initial configuration"); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	listen := exec.Command(program, "clerk-webhook", "listen", "ws://"+b.relay+"/", "--to", upstreamAddress,
		"--from", addresses[2], "--secret", rig.Secret, "--inspect=off", "--quiet")
	if b.listener, _, err = rig.Start(listen, "Connected to the relay"); err != nil {
		return nil, errors.Join(err, b.stop())
	}
	return b, nil
}

func (b *relayBed) stop() error {
	for _, p := range []*rig.Process{b.listener, b.caddy, b.upstream} {
		if p != nil {
			p.Stop()
		}
	}
	return nil
}

// measureRelay compares a relay and its listener with a reverse proxy to the same
// upstream. Then it measures what idle listeners cost, and what strangers do.
func measureRelay(o options, w io.Writer) error {
	dir, err := os.MkdirTemp("", "clerk-webhook-bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b, err := newRelayBed(dir)
	if err != nil {
		return err
	}
	defer func() { _ = b.stop() }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fmt.Fprintf(w, "\n## A relay and its listener, the other side reverse_proxy, %d connections, 2 KB\n\n", o.connections)
	if err := b.compare(o, w); err != nil {
		return err
	}
	if err := b.idle(o, w); err != nil {
		return err
	}
	return b.strangers(o, w)
}

// compare loads the relay and the reverse proxy in turns: as fast as they go, and at a
// rate that leaves both of them idle most of the time.
func (b *relayBed) compare(o options, w io.Writer) error {
	var rates, fullLoad, paced []float64
	for pair := range o.pairs + 1 {
		var full, calm [2]rig.Result
		for i := range full {
			i ^= pair % 2
			address := []string{b.relay, b.bare}[i]
			var err error
			if full[i], err = b.load(address, o, 0); err != nil {
				return err
			}
			if calm[i], err = b.load(address, o, calmRate); err != nil {
				return err
			}
		}
		if pair == 0 { // warm-up
			continue
		}
		rates = append(rates, full[0].PerSecond()/full[1].PerSecond())
		fullLoad = append(fullLoad, addedLatency(full))
		paced = append(paced, addedLatency(calm))
	}
	fmt.Fprintf(w, "- throughput, relay ÷ reverse_proxy: %s\n", spread(rates))
	fmt.Fprintf(w, "- added to the median latency at %d deliveries a second, in ms: %s\n", calmRate, spread(paced))
	fmt.Fprintf(w, "- added to the median latency when both do all they can, in ms: %s\n", spread(fullLoad))
	return nil
}

// addedLatency is in milliseconds.
func addedLatency(results [2]rig.Result) float64 {
	return float64(results[0].LatencyQuantile(0.5)-results[1].LatencyQuantile(0.5)) / float64(time.Millisecond)
}

func (b *relayBed) load(address string, o options, rate float64) (rig.Result, error) {
	body, err := rig.Payload(2 * rig.Kilobyte)
	if err != nil {
		return rig.Result{}, err
	}
	header, err := signedHeaders(time.Now(), body)
	if err != nil {
		return rig.Result{}, err
	}
	return rig.Load{
		Address:     address,
		Requests:    []rig.Request{rig.NewRequest(http.MethodPost, address, header, body)},
		Status:      http.StatusOK,
		Connections: o.connections,
		Duration:    o.duration,
		Rate:        rate,
	}.Run()
}

// strangers opens connections that show no token while deliveries arrive.
func (b *relayBed) strangers(o options, w io.Writer) error {
	o.duration = strangersTime
	quiet, err := b.load(b.relay, o, 0)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), strangersTime)
	defer cancel()
	opened := make(chan int)
	go func() { opened <- b.openSilent(ctx) }()
	disturbed, err := b.load(b.relay, o, 0)
	count := <-opened
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "- p99 of deliveries alone %v, and with %d connections in %v that show no token %v\n",
		quiet.LatencyQuantile(0.99).Round(10*time.Microsecond), count, strangersTime, disturbed.LatencyQuantile(0.99).Round(10*time.Microsecond))
	return nil
}

// openSilent opens connections until ctx ends, and closes them then.
func (b *relayBed) openSilent(ctx context.Context) (count int) {
	ticker := time.NewTicker(time.Second / strangersPerSecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			conn, _, err := websocket.Dial(ctx, "ws://"+b.relay+"/", nil)
			if err != nil {
				continue
			}
			count++
			defer conn.CloseNow()
		case <-ctx.Done():
			return count
		}
	}
}

// idle measures what listeners cost that want other deliveries.
func (b *relayBed) idle(o options, w io.Writer) error {
	before, err := rig.MemoryOf(b.caddy.PID())
	if err != nil {
		return err
	}
	alone, err := b.load(b.relay, o, calmRate)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for range idleListeners {
		conn, err := b.listenIdly(ctx)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
	}
	after, err := rig.MemoryOf(b.caddy.PID())
	if err != nil {
		return err
	}
	together, err := b.load(b.relay, o, calmRate)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "- %d idle listeners take %.1f MiB, and add to the median latency at %d deliveries a second, in ms: %.2f\n",
		idleListeners, float64(after-before)/(1<<20), calmRate, addedLatency([2]rig.Result{together, alone}))
	return nil
}

// listenIdly connects a listener with as many matches as it can have. One of them
// holds for no delivery.
func (b *relayBed) listenIdly(ctx context.Context) (*websocket.Conn, error) {
	key, err := signature.ParseSecret(rig.Secret)
	if err != nil {
		return nil, err
	}
	conn, _, err := websocket.Dial(ctx, "ws://"+b.relay+"/", nil)
	if err != nil {
		return nil, err
	}
	start := `{"type":"start","version":1,"data":{"token":"` + key.ListenToken() + `","match":{"data.a":"","data.b.c":"","data.d.0":"","e":"","data.id":"none"}}}`
	if err := conn.Write(ctx, websocket.MessageText, []byte(start)); err != nil {
		return nil, err
	}
	if _, answer, err := conn.Read(ctx); err != nil || !strings.Contains(string(answer), "start") {
		return nil, fmt.Errorf("no start: %w", err)
	}
	return conn, nil
}
