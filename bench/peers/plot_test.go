//go:build linux

package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestChartsAreWellFormedAndShowEachBar(t *testing.T) {
	r := exampleResults()
	for name, want := range map[string]struct {
		chart   chart
		bars    int
		figures []string
	}{
		"cost":      {r.costChart(), 6, []string{"2 KB", "20 KB", "250 KB", guard, nginxLua}},
		"forgeries": {r.forgeriesChart(), 12, []string{"1805/s", "900/s", "beside 1200 forgeries/s", "beside 1300 forgeries/s", "Processors: 2 for both"}},
	} {
		image := want.chart.svg()
		decoder := xml.NewDecoder(strings.NewReader(image))
		for {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if bars := strings.Count(image, `height="20"`); bars != want.bars {
			t.Errorf("%s: %d bars, want %d", name, bars, want.bars)
		}
		for _, figure := range want.figures {
			if !strings.Contains(image, figure) {
				t.Errorf("%s does not show %q", name, figure)
			}
		}
		if !strings.Contains(image, "prefers-color-scheme: dark") {
			t.Errorf("%s has one style only", name)
		}
	}
}

func TestBarsKeepToTheirScale(t *testing.T) {
	small, large := group{"a", []bar{{"x", []float64{50}, true}}}, group{"b", []bar{{"x", []float64{200}, true}}}
	for name, tt := range map[string]struct {
		shared bool
		want   float64
	}{
		"each to its own": {false, 50},
		"one for all":     {true, 200},
	} {
		c := chart{shared: tt.shared, groups: []group{small, large}}
		if got := c.largest(small); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestANegativeBarHasNoWidth(t *testing.T) {
	image := chart{groups: []group{{"a", []bar{{"x", []float64{-3}, true}}}}}.svg()
	if !strings.Contains(image, `width="0.0"`) || strings.Contains(image, `width="-`) || !strings.Contains(image, "-3.0") {
		t.Errorf("got %s", image)
	}
}
