//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// markdown returns every part of the document that depends on the figures.
func (r results) markdown() string {
	e := r.Environment
	var b strings.Builder
	fmt.Fprintf(&b, "%s; processors: %d for the servers, %d for the senders. Caddy %s, %s, Node.js %s, %s. %d rounds, turns of %g s, %d connections.\n",
		e.Processor, e.Servers, e.Senders, e.Caddy, e.Nginx, e.Node, e.Go, e.Rounds, e.Seconds, e.Connections)
	for _, section := range []struct {
		title string
		write func(*strings.Builder)
	}{
		{"The guards' own cost", r.writeOwnCost},
		{"Forgeries at a fixed rate", r.writeForgeries},
		{"In front of the app, valid deliveries", func(b *strings.Builder) { r.writeCases(b, express, false) }},
		{"In front of the app, forgeries", func(b *strings.Builder) { r.writeCases(b, express, true) }},
		{"In front of the fast backend, valid deliveries", func(b *strings.Builder) { r.writeCases(b, fast, false) }},
		{"In front of the fast backend, forgeries", func(b *strings.Builder) { r.writeCases(b, fast, true) }},
	} {
		fmt.Fprintf(&b, "\n### %s\n\n", section.title)
		section.write(&b)
	}
	return b.String()
}

func (r results) writeOwnCost(b *strings.Builder) {
	fmt.Fprintf(b, "![%s](images/%s)\n\n", costChartAlt, costImage)
	fmt.Fprintln(b, "| body | added CPU, guard | added CPU, nginx with Lua | throughput, guard ÷ Caddy alone | throughput, nginx with Lua ÷ nginx alone |")
	fmt.Fprintln(b, "|---|---|---|---|---|")
	for _, size := range sizes {
		c := r.find(fast, size, false)
		fmt.Fprintf(b, "| %s | %s µs | %s µs | %s | %s |\n", rig.SizeName(size),
			spread("%.1f", c.added(guard, caddyAlone)), spread("%.1f", c.added(nginxLua, nginxAlone)),
			spread("%.2f", c.relative(guard, caddyAlone)), spread("%.2f", c.relative(nginxLua, nginxAlone)))
	}
}

func (r results) writeForgeries(b *strings.Builder) {
	fmt.Fprintf(b, "![%s](images/%s)\n\n", forgeriesChartAlt, forgeriesImage)
	for i, f := range r.Forgeries {
		if i > 0 {
			fmt.Fprintln(b)
		}
		fmt.Fprintf(b, "Processors: %s. %.0f forgeries of 2 KB fall due in a second.\n\n", f.Placement, f.Rate)
		fmt.Fprintln(b, "| | valid/s without forgeries | valid/s beside them | kept | forgeries answered/s |")
		fmt.Fprintln(b, "|---|---|---|---|---|")
		for _, s := range f.Series {
			fmt.Fprintf(b, "| %s | %s | %s | **%s** | %s |\n", s.Subject, spread("%.0f", s.Without), spread("%.0f", s.With),
				spread("%.2f", s.kept()), spread("%.0f", s.Forged))
		}
	}
}

func (r results) writeCases(b *strings.Builder, behind backend, forged bool) {
	fmt.Fprintln(b, "| body | | deliveries/s | p50 | p99 | CPU each, proxy | CPU each, backend | memory |")
	fmt.Fprintln(b, "|---|---|---|---|---|---|---|---|")
	for _, size := range sizes {
		c := r.find(behind, size, forged)
		for _, s := range c.Series {
			median := func(value func(turn) float64) float64 { return rig.Quantile(c.values(s.Subject, value), 0.5) }
			proxy := "–"
			if s.Subject != expressAlone {
				proxy = spread("%.0f", c.values(s.Subject, proxyCPU)) + " µs"
			}
			fmt.Fprintf(b, "| %s | %s | %s | %.1f ms | %.1f ms | %s | %.0f µs | %.0f MiB |\n", rig.SizeName(size), s.Subject,
				spread("%.0f", c.values(s.Subject, func(t turn) float64 { return t.PerSecond })),
				median(func(t turn) float64 { return t.P50 })/1e3, median(func(t turn) float64 { return t.P99 })/1e3,
				proxy, median(func(t turn) float64 { return t.BackendCPU }),
				slices.Max(c.values(s.Subject, func(t turn) float64 { return t.Memory })))
		}
	}
}

// spread formats a median and its quartiles.
func spread(format string, values []float64) string {
	if len(values) == 0 {
		return "–"
	}
	return fmt.Sprintf(format+" ["+format+"–"+format+"]",
		rig.Quantile(values, 0.5), rig.Quantile(values, 0.25), rig.Quantile(values, 0.75))
}
