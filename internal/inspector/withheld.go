package inspector

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

var errWithheld = errors.New("the inspector sends this body to an endpoint with 'inspect' only, and the request has not reached one")

// withheldBody is the body of a request that the inspector sends. Nobody can read it
// before a guard has the request. So nothing else gets a signed delivery, wherever the
// routes lead the request.
type withheldBody struct {
	content    bytes.Reader
	isReleased atomic.Bool
	wasAsked   atomic.Bool // before it was released
}

// Read reads from the body if it is released.
func (b *withheldBody) Read(p []byte) (int, error) {
	if !b.isReleased.Load() {
		b.wasAsked.Store(true)
		return 0, errWithheld
	}
	return b.content.Read(p)
}

// Close does nothing.
func (b *withheldBody) Close() error { return nil }

// release lets a guard read the body of r. A handler in front that has asked for it
// may have left another one in r.
func (b *withheldBody) release(r *http.Request) {
	b.isReleased.Store(true)
	if b.wasAsked.Load() {
		r.Body = b
	}
}

// Interface guard
var _ io.ReadCloser = (*withheldBody)(nil)
