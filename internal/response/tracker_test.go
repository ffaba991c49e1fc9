package response

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// goneSender fails from the given number of bytes on.
type goneSender struct {
	*httptest.ResponseRecorder
	room int
}

var errGone = errors.New("broken pipe")

func (g *goneSender) Write(p []byte) (int, error) {
	if len(p) > g.room {
		n, _ := g.ResponseRecorder.Write(p[:g.room])
		g.room = 0
		return n, errGone
	}
	g.room -= len(p)
	return g.ResponseRecorder.Write(p)
}

func (g *goneSender) FlushError() error {
	if g.room == 0 {
		return errGone
	}
	return nil
}

func TestAnswerToASenderThatIsGone(t *testing.T) {
	const size, room = 100_000, 5_000
	body := strings.Repeat("x", size)
	for name, give := range map[string]func(http.ResponseWriter) (int64, error){
		"written": func(w http.ResponseWriter) (int64, error) {
			var sum int64
			for piece := range slices.Chunk([]byte(body), 1000) {
				n, err := w.Write(piece)
				if sum += int64(n); err != nil {
					return sum, err
				}
			}
			return sum, nil
		},
		"written at once": func(w http.ResponseWriter) (int64, error) {
			n, err := w.Write([]byte(body))
			return int64(n), err
		},
		"written and flushed": func(w http.ResponseWriter) (int64, error) {
			for i := range 100 {
				if _, err := w.Write([]byte(body[i*1000 : (i+1)*1000])); err != nil {
					return 0, err
				}
				if err := http.NewResponseController(w).Flush(); err != nil {
					return 0, err
				}
			}
			return size, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			sender := &goneSender{httptest.NewRecorder(), room}
			answer := Track(sender, true)
			if n, err := give(answer); n != size || err != nil {
				t.Errorf("%d bytes, error %v, want %d and none", n, err, size)
			}
			if got := sender.Body.Len(); got != room {
				t.Errorf("the sender got %d bytes, want %d", got, room)
			}
			if !answer.Succeeded() {
				t.Error("the answer does not count")
			}
		})
	}
}

// Copying reads all there is, so that the source ends as it would have.
func TestCopyToASenderThatIsGone(t *testing.T) {
	for name, room := range map[string]int{"gone in the middle": 5_000, "gone from the start": 0} {
		t.Run(name, func(t *testing.T) {
			source := strings.NewReader(strings.Repeat("x", 100_000))
			answer := Track(&goneSender{httptest.NewRecorder(), room}, true)
			if _, err := io.Copy(answer, struct{ io.Reader }{source}); err != nil {
				t.Error(err)
			}
			if source.Len() != 0 {
				t.Errorf("%d bytes are unread", source.Len())
			}
			if _, err := io.Copy(answer, struct{ io.Reader }{strings.NewReader("more")}); err != nil {
				t.Error(err)
			}
		})
	}
}

// An answer whose source fails is not whole, whether or not the sender is there.
func TestCopyOfASourceThatFails(t *testing.T) {
	errSource := errors.New("unexpected end")
	for name, room := range map[string]int{"the sender is there": 100_000, "the sender is gone": 10} {
		t.Run(name, func(t *testing.T) {
			source := io.MultiReader(strings.NewReader(strings.Repeat("x", 50_000)), iotest.ErrReader(errSource))
			answer := Track(&goneSender{httptest.NewRecorder(), room}, true)
			if _, err := io.Copy(answer, struct{ io.Reader }{source}); !errors.Is(err, errSource) {
				t.Errorf("got %v, want %v", err, errSource)
			}
		})
	}
}

func TestFlushTellsWhetherItIsSupported(t *testing.T) {
	answer := Track(struct{ http.ResponseWriter }{httptest.NewRecorder()}, true)
	if err := http.NewResponseController(answer).Flush(); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("got %v, want %v", err, http.ErrNotSupported)
	}
	if answer.Answered() {
		t.Error("a flush that is not supported counts as an answer")
	}
}
