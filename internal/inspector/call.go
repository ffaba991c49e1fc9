package inspector

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

const (
	maxCall    = 4 << 20          // bytes in the body of a call
	answerTime = 30 * time.Second // for a client to take what is held for it
)

// callError tells a caller what is wrong with a call: by a status, by a code to
// rely on, and in words.
type callError struct {
	status int
	code   string
	error
}

func newCallError(status int, code, text string) error {
	return &callError{status, code, errors.New(text)}
}

// badRequest is for faults in what a call says.
func badRequest(err error) error { return &callError{http.StatusBadRequest, "bad_request", err} }

func forbidden(err error) error { return &callError{http.StatusForbidden, "forbidden", err} }

var (
	errNoPath   = newCallError(http.StatusNotFound, "not_found", "there is no such path, or not with this method")
	errTooLarge = newCallError(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the body of the call is over %d bytes", maxCall))
	errMedia    = newCallError(http.StatusUnsupportedMediaType, "media_type", "a call that acts has a body of the type application/json")
)

// readCall reads the body of a call.
func readCall(w http.ResponseWriter, r *http.Request, call any) error {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || media != "application/json" {
		return errMedia
	}
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxCall))
	decoder.DisallowUnknownFields()
	var tooLarge *http.MaxBytesError
	switch err := decoder.Decode(call); {
	case errors.As(err, &tooLarge):
		return errTooLarge
	case err != nil:
		return badRequest(fmt.Errorf("the body of the call: %w", err))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return badRequest(errors.New("the body of the call: there is more than one JSON value"))
	}
	return nil
}

// writeError answers with an error, its status and its code.
func writeError(w http.ResponseWriter, err error) {
	failure := &callError{http.StatusInternalServerError, "internal", err}
	errors.As(err, &failure)
	writeJSON(w, failure.status, map[string]string{"code": failure.code, "error": err.Error()})
}

// writeJSON answers with one value. It leaves the escaping of <, > and & on, so
// that no browser can take what a sender wrote for a page.
func writeJSON(w http.ResponseWriter, status int, value any) {
	text := encode(value)
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = writeInTime(w, append(text, '\n')) // who has hung up needs no answer
}

// encode is for values of which every state can be written as JSON.
func encode(value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return text
}

// writeInTime gives up on a client that does not take text, which would be held
// for as long as it likes.
func writeInTime(w http.ResponseWriter, text []byte) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(answerTime))
	_, err := w.Write(text)
	_ = control.SetWriteDeadline(time.Time{})
	return err
}
