//go:build linux

package main

import (
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

// BenchmarkVerification measures the same as the command, but one contender at
// a time. Use it for profiles, not for ratios.
func BenchmarkVerification(b *testing.B) {
	for _, size := range verificationSizes {
		contenders, err := newContenders(size)
		if err != nil {
			b.Fatal(err)
		}
		for _, c := range contenders {
			b.Run(rig.SizeName(size)+"/"+c.name, func(b *testing.B) {
				once := c.newWorker()
				b.ReportAllocs()
				b.SetBytes(int64(size))
				for b.Loop() {
					if err := once(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
