package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"strings"
	"testing"
	"time"
)

// BenchmarkClaims measures what reading the claims of a forgery adds to the HMAC of
// 1 MiB, which the guard computes of a forgery in any case.
func BenchmarkClaims(b *testing.B) {
	const recorded = 256 << 10 // what the inspector keeps of a body
	fill := func(start, member string) []byte {
		return []byte((start + strings.Repeat(member, recorded/len(member)+1))[:recorded])
	}
	body := make([]byte, 1<<20)
	for name, forgery := range map[string][]byte{
		"one text":       []byte(`{"data":{"id":"user_1","name":"` + strings.Repeat("a", recorded-60) + `"},"type":"user.created"}`),
		"members":        fill(`{`, `"id"-,`),
		"nested members": fill(`{"data":{"payer":{`+strings.Repeat(`"id"-,`, maxClaimRead/6-10)+`}},`, `"id"-,`),
		"escapes":        fill(`{`, `"\n"-,`),
	} {
		b.Run(name, func(b *testing.B) {
			var ofClaims, ofHMAC time.Duration
			for b.Loop() {
				start := time.Now()
				ClaimedType(forgery)
				About(forgery)
				ofClaims += time.Since(start)
				start = time.Now()
				mac := hmac.New(sha256.New, body[:32])
				mac.Write(body)
				mac.Sum(nil)
				ofHMAC += time.Since(start)
			}
			b.ReportMetric(float64(ofClaims)/float64(ofHMAC), "HMACs/op")
		})
	}
}
