package ledger

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func numberedKey(n int) (key stores.Key) {
	binary.LittleEndian.PutUint64(key[:], uint64(n)*0x9E3779B97F4A7C15)
	return key
}

func TestDoneMarksAreBoundedInCount(t *testing.T) {
	m := doneMarks{limit: 1600}
	now := time.Unix(1_000_000, 0)
	for i := range 10_000 {
		m.add(numberedKey(i), now, window)
		if m.count > m.limit {
			t.Fatalf("%d marks after %d, the limit is %d", m.count, i, m.limit)
		}
	}
	if m.count < m.limit*9/10 {
		t.Errorf("only %d marks are left", m.count)
	}
	for i := 10_000 - m.count; i < 10_000; i++ {
		if _, ok := m.find(numberedKey(i), now); !ok {
			t.Fatalf("mark %d is lost, though it is among the latest %d", i, m.count)
		}
	}
}

func TestDoneMarksOfADeliveryHandledAgain(t *testing.T) {
	m := doneMarks{limit: 1 << 20}
	key, now := numberedKey(1), time.Unix(1_000_000, 0)
	for _, at := range []time.Time{now, now.Add(time.Second), now.Add(window / 2)} { // same bucket, another bucket
		m.add(key, at, window)
		if found, ok := m.find(key, at); !ok || !found.Equal(at) {
			t.Errorf("found %s, want %s", found, at)
		}
	}
	if m.count != 2 {
		t.Errorf("%d marks are counted in 2 buckets", m.count)
	}
	if !m.remove(key, now) || m.remove(key, now) || m.count != 0 {
		t.Errorf("%d marks are left", m.count)
	}
}

func TestBucketOfDoneMarksExpiresAsAWhole(t *testing.T) {
	m := doneMarks{limit: 1 << 20}
	now := time.Unix(1_000_000, 0)
	for i := range 480 {
		m.add(numberedKey(i), now.Add(time.Duration(i)*6*time.Minute), window)
	}
	m.expire(now.Add(2*window + time.Hour))
	if m.count != 0 || len(m.buckets) != 0 {
		t.Errorf("%d marks in %d buckets are left", m.count, len(m.buckets))
	}
}

// Guards can have different windows.
func TestDoneMarksHaveTheirOwnWindows(t *testing.T) {
	m := doneMarks{limit: 1 << 20}
	now := time.Unix(1_000_000, 0)
	m.add(numberedKey(1), now, window)
	m.add(numberedKey(2), now, time.Hour)
	m.add(numberedKey(3), now, window)
	if len(m.buckets) != 2 {
		t.Errorf("%d buckets for 2 windows", len(m.buckets))
	}
	for key, want := range map[int]bool{1: true, 2: false, 3: true} {
		if _, found := m.find(numberedKey(key), now.Add(2*time.Hour)); found != want {
			t.Errorf("mark %d is found: %t, want %t", key, found, want)
		}
	}
	m.expire(now.Add(2 * time.Hour))
	if m.count != 2 || len(m.buckets) != 1 {
		t.Errorf("%d marks in %d buckets are left, want 2 in 1", m.count, len(m.buckets))
	}
}

func BenchmarkMemory(b *testing.B) {
	l := NewLedger(NewMemory(1<<20), nil, window, false, nil)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		claim, _, _, _ := l.Claim(b.Context(), numberedKey(i), "")
		claim.Done(b.Context())
	}
}

// BenchmarkMillionDoneMarks reports the memory for a million done marks.
func BenchmarkMillionDoneMarks(b *testing.B) {
	const million = 1_000_000
	for b.Loop() {
		before := heap()
		m := &doneMarks{limit: 1 << 20}
		at := time.Unix(1_000_000, 0)
		for i := range million {
			m.add(numberedKey(i), at.Add(time.Duration(i)*window/million), window)
		}
		b.ReportMetric(float64(heap()-before)/(1<<20), "MiB/million")
		runtime.KeepAlive(m)
	}
}

func heap() uint64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
