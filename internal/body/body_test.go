package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// pattern returns a body whose every byte tells whose it is.
func pattern(owner byte, size int) []byte { return bytes.Repeat([]byte{owner}, size) }

func TestRead(t *testing.T) {
	broken := errors.New("connection reset")
	tests := map[string]struct {
		src           io.Reader
		contentLength int64
		limit         int64
		want          int // how much is read
		err           error
	}{
		"nothing":                         {strings.NewReader(""), -1, 10, 0, nil},
		"as long as announced":            {strings.NewReader("12345"), 5, 10, 5, nil},
		"end together with the last byte": {iotest.DataErrReader(strings.NewReader("12345")), 5, 10, 5, nil},
		"byte by byte":                    {iotest.OneByteReader(strings.NewReader("12345")), -1, 10, 5, nil},
		"at the limit":                    {strings.NewReader("1234567890"), -1, 10, 10, nil},
		"over the limit":                  {strings.NewReader("12345678901"), -1, 10, 11, ErrTooLarge},
		"far over the limit":              {bytes.NewReader(pattern('a', 1<<20)), -1, 10, bufferSizes[0], ErrTooLarge},
		"an error halfway":                {io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(broken)), 10, 10, 5, broken},
		"beyond the largest buffer":       {bytes.NewReader(pattern('a', 5<<20)), -1, 6 << 20, 5 << 20, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			b, err := Read(test.src, test.contentLength, test.limit)
			if (err == nil) != (test.err == nil) || err != nil && err.Error() != test.err.Error() {
				t.Errorf("got error %v, want %v", err, test.err)
			}
			if len(b.data) != test.want {
				t.Errorf("read %d bytes, want %d", len(b.data), test.want)
			}
		})
	}
}

// meter is a body of 'a' that comes in pieces, and watches how much room each is
// offered.
type meter struct {
	t         *testing.T
	remaining int
	arrived   int
	piece     int
}

func (m *meter) Read(p []byte) (int, error) {
	if held := m.arrived + len(p); held > 4*m.arrived+bufferSizes[0] {
		m.t.Errorf("%d bytes are held when %d have arrived", held, m.arrived)
	}
	n := min(m.piece, m.remaining, len(p))
	if n == 0 {
		return 0, io.EOF
	}
	copy(p, pattern('a', n))
	m.arrived += n
	m.remaining -= n
	return n, nil
}

func TestMemoryGrowsWithWhatHasArrived(t *testing.T) {
	const limit = 8 << 20
	for name, contentLength := range map[string]int64{"announced": limit, "announced as more": limit + 1, "not announced": -1} {
		for _, piece := range []int{1 << 10, 1460, 64 << 10} {
			m := &meter{t: t, remaining: limit, piece: piece}
			b, err := Read(m, contentLength, limit)
			if err != nil || !bytes.Equal(b.data, pattern('a', limit)) {
				t.Errorf("%s, in pieces of %d: got %d bytes, %v", name, piece, len(b.data), err)
			}
		}
	}
}

func restored(t *testing.T, data []byte) (*Body, *http.Request) {
	t.Helper()
	b, err := Read(bytes.NewReader(data), -1, 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	b.Restore(r)
	return b, r
}

func TestRestoredBodyCanBeReadAgain(t *testing.T) {
	_, r := restored(t, pattern('a', 100_000))
	for attempt := range 3 {
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, pattern('a', 100_000)) {
			t.Errorf("attempt %d: got %d bytes, %v", attempt, len(got), err)
		}
		if r.Body, err = r.GetBody(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReleaseRevokesReaders(t *testing.T) {
	for name, size := range map[string]int{"small": 100, "large": 20_000} {
		t.Run(name, func(t *testing.T) {
			b, r := restored(t, pattern('a', size))
			half := make([]byte, size/2)
			if _, err := io.ReadFull(r.Body, half); err != nil {
				t.Fatal(err)
			}
			b.Release()
			b.Release() // a second time does nothing
			if n, err := r.Body.Read(half); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("a reader got %d bytes, %v", n, err)
			}
			again, _ := r.GetBody()
			if n, err := again.Read(half); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
				t.Errorf("a new reader got %d bytes, %v", n, err)
			}
			if b.View(func([]byte) { t.Error("the payload was shown") }) {
				t.Error("the payload could be read")
			}
		})
	}
}

func TestClosedReaderReadsNoMore(t *testing.T) {
	_, r := restored(t, pattern('a', 100))
	_ = r.Body.Close()
	if _, err := r.Body.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("got %v", err)
	}
}

// Readers that go on after the release, as a transport may, get their own bytes
// or an error, never those of the request that has the memory now.
func TestReadersNeverSeeAnotherBody(t *testing.T) {
	const size, rounds = 30_000, 200
	var readers sync.WaitGroup
	for round := range rounds {
		owner := byte(round)
		b, r := restored(t, pattern(owner, size))
		for range 2 {
			mine, _ := r.GetBody()
			readers.Go(func() {
				p := make([]byte, 700)
				for {
					n, err := mine.Read(p)
					if !bytes.Equal(p[:n], pattern(owner, n)) {
						t.Errorf("a reader of body %d got %q", owner, p[:n])
					}
					if err != nil {
						return
					}
				}
			})
		}
		readers.Go(b.Release)
	}
	readers.Wait()
}
