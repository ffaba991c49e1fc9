//go:build linux

package main

import (
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

func TestRatiosStayWithinPairs(t *testing.T) {
	a := []run{{count: 10, wall: time.Second}, {count: 30, wall: time.Second}}
	b := []run{{count: 5, wall: time.Second}, {count: 10, wall: time.Second}}
	if got := ratios(a, b, run.perSecond); got[0] != 2 || got[1] != 3 {
		t.Errorf("got %v, want 2 and 3", got)
	}
}

func TestEveryContenderSucceeds(t *testing.T) {
	contenders, err := newContenders(2 * rig.Kilobyte)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range contenders {
		if err := c.newWorker()(); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
