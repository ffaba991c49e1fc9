//go:build linux

package main

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

const (
	costImage      = "performance-cost.svg"
	forgeriesImage = "performance-forgeries.svg"

	costChartAlt      = "CPU time that verifying adds to a proxy, for each delivery"
	forgeriesChartAlt = "Valid deliveries a second, without forgeries and beside them"
)

// chart shows bars in groups.
type chart struct {
	title  string
	unit   string
	shared bool // one scale for all groups; otherwise each fills the width
	groups []group
}

// group is a group of bars. A group without bars is a heading for the groups
// that follow.
type group struct {
	name string
	bars []bar
}

// bar shows a median and its quartiles.
type bar struct {
	name   string
	values []float64
	main   bool // in the colour of the chart's subject
}

func (r results) costChart() chart {
	c := chart{title: costChartAlt + ", each size to its own scale", unit: " µs"}
	for _, size := range sizes {
		measured := r.find(fast, size, false)
		c.groups = append(c.groups, group{rig.SizeName(size), []bar{
			{guard, measured.added(guard, caddyAlone), true},
			{nginxLua, measured.added(nginxLua, nginxAlone), false},
		}})
	}
	return c
}

func (r results) forgeriesChart() chart {
	c := chart{title: forgeriesChartAlt, unit: "/s", shared: true}
	for _, f := range r.Forgeries {
		c.groups = append(c.groups, group{name: "Processors: " + f.Placement})
		for _, s := range f.Series {
			c.groups = append(c.groups, group{s.Subject, []bar{
				{"without", s.Without, false},
				{fmt.Sprintf("beside %.0f forgeries/s", f.Rate), s.With, true},
			}})
		}
	}
	return c
}

// The dimensions of a chart, in pixels.
const (
	chartWidth  = 720
	chartMargin = 16
	barStart    = 260
	barRoom     = 330 // the figure after the bar gets the rest
	barHeight   = 20
	barStep     = 26
	groupGap    = 14
	titleHeight = 48
)

// chartStyle sets a background, so that the chart is readable on light and dark
// pages, even if the page does not tell the image which it is.
const chartStyle = `<style>
text { font: 14px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; }
.back { fill: #ffffff; } .main { fill: #0969da; } .other { fill: #afb8c1; }
.spread { stroke: #1f2328; }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3; } .back { fill: #0d1117; } .main { fill: #2f81f7; } .other { fill: #6e7681; } .spread { stroke: #e6edf3; }
}
</style>
`

// svg draws the chart.
func (c chart) svg() string {
	var body strings.Builder
	y := titleHeight
	for _, g := range c.groups {
		fmt.Fprintf(&body, "<text x=\"%d\" y=\"%d\">%s</text>\n", chartMargin, y+15, html.EscapeString(g.name))
		if len(g.bars) == 0 { // a heading
			y += barHeight
		}
		for _, b := range g.bars {
			b.draw(&body, y, c.largest(g), c.unit)
			y += barStep
		}
		y += groupGap
	}
	var image strings.Builder
	fmt.Fprintf(&image, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%[1]d\" height=\"%d\" role=\"img\">\n", chartWidth, y, y)
	fmt.Fprintf(&image, "<title>%s</title>\n", html.EscapeString(c.title))
	image.WriteString(chartStyle)
	fmt.Fprintf(&image, "<rect class=\"back\" width=\"%d\" height=\"%d\" rx=\"6\"/>\n", chartWidth, y)
	fmt.Fprintf(&image, "<text class=\"title\" x=\"%d\" y=\"28\">%s</text>\n", chartMargin, html.EscapeString(c.title))
	image.WriteString(body.String())
	image.WriteString("</svg>\n")
	return image.String()
}

// largest returns the value whose bar fills the width of a group.
func (c chart) largest(g group) float64 {
	groups := []group{g}
	if c.shared {
		groups = c.groups
	}
	var largest float64
	for _, g := range groups {
		for _, b := range g.bars {
			largest = max(largest, slices.Max(append(b.values, 0)))
		}
	}
	return max(largest, 1)
}

// draw draws the bar up to its median and a line between its quartiles. It
// writes the median after the bar.
func (b bar) draw(image *strings.Builder, y int, largest float64, unit string) {
	if len(b.values) == 0 {
		return
	}
	place := func(q float64) float64 {
		return max(0, rig.Quantile(b.values, q)) / largest * barRoom
	}
	class := "other"
	if b.main {
		class = "main"
	}
	middle := float64(y) + barHeight/2
	fmt.Fprintf(image, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>\n", barStart-8, y+15, html.EscapeString(b.name))
	fmt.Fprintf(image, "<rect class=\"%s\" x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n", class, barStart, y, place(0.5), barHeight)
	fmt.Fprintf(image, "<line class=\"spread\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		barStart+place(0.25), middle, barStart+place(0.75), middle)
	fmt.Fprintf(image, "<text x=\"%.1f\" y=\"%d\">%s%s</text>\n", barStart+max(place(0.5), place(0.75))+8, y+15,
		figure(rig.Quantile(b.values, 0.5)), unit)
}

// figure writes a number with as many decimals as it needs.
func figure(value float64) string {
	if value < 100 {
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.0f", value)
}
