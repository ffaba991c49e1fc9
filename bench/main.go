//go:build linux

// Command bench measures what the guard costs: verification against the bare
// HMAC and Svix's library, a guarded reverse proxy against a bare one, a
// relay against a reverse proxy, and floods of invalid requests against plain errors. It prints tables in
// Markdown. See README.md in this folder.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

type options struct {
	what        string
	pairs       int
	duration    time.Duration
	connections int
	profiles    string
}

func main() {
	var o options
	seconds := flag.Float64("seconds", 1, "length of each run")
	flag.StringVar(&o.what, "what", "all", "verify, proxy, flood, relay or all")
	flag.IntVar(&o.pairs, "pairs", 15, "pairs of runs for each comparison")
	flag.IntVar(&o.connections, "connections", 32, "connections that load Caddy, kept alive")
	flag.StringVar(&o.profiles, "profiles", "", "folder for CPU and allocation profiles of Caddy, one more run for each comparison and side")
	out := flag.String("out", "", "file that gets a copy of the tables")
	role := flag.String("role", "", "used by the command itself: upstream")
	flag.Parse()
	switch o.what {
	case "verify", "proxy", "flood", "relay", "all":
	default:
		exitOn(fmt.Errorf("-what %s: there are verify, proxy, flood, relay and all", o.what))
	}
	o.duration = time.Duration(*seconds * float64(time.Second))

	if *role == "upstream" {
		exitOn(rig.ServeUpstream(os.Stdout))
		return
	}
	var report bytes.Buffer
	exitOn(measure(o, io.MultiWriter(os.Stdout, &report)))
	if *out != "" {
		exitOn(os.WriteFile(*out, report.Bytes(), 0o644))
	}
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func measure(o options, w io.Writer) error {
	fmt.Fprintf(w, "%s, %d processors, %s, %d pairs of %v.\n",
		runtime.Version(), runtime.NumCPU(), rig.ProcessorName(), o.pairs, o.duration)
	fmt.Fprintln(w, "Ratios are medians over the pairs, with [quartiles] and (extremes).")

	all := o.what == "all"
	if all || o.what == "verify" {
		if err := measureVerification(o, w); err != nil {
			return err
		}
	}
	if all || o.what == "proxy" {
		if err := measureCaddy(o, w, "Genuine deliveries, the other side without the guard", proxyComparisons); err != nil {
			return err
		}
	}
	if all || o.what == "flood" {
		if err := measureCaddy(o, w, "Invalid requests, the other side answering `error 400`", floodComparisons); err != nil {
			return err
		}
	}
	if all || o.what == "relay" {
		return measureRelay(o, w)
	}
	return nil
}
