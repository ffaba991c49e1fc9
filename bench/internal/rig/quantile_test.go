//go:build linux

package rig

import "testing"

func TestQuantileInterpolates(t *testing.T) {
	for _, tt := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{1, 2, 3, 4, 5}, 0.25, 2},
		{[]float64{1, 2}, 0.25, 1.25},
		{[]float64{2, 1}, 0, 1},
		{[]float64{2, 1}, 1, 2},
		{[]float64{7}, 0.75, 7},
	} {
		if got := Quantile(tt.values, tt.q); got != tt.want {
			t.Errorf("Quantile(%v, %v) = %v, want %v", tt.values, tt.q, got, tt.want)
		}
	}
}
