package strict

import (
	"io"
	"net/http"
)

// dropTrailers removes the trailers, also from requests of which this one is a copy, such
// as that of an error route. They share the map, and Go's servers put the trailers into it
// when the body has been read.
func dropTrailers(r *http.Request) {
	delete(r.Header, "Trailer")
	if r.Trailer == nil {
		return
	}
	clear(r.Trailer)
	r.Body = &bodyWithoutTrailers{r.Body, r.Trailer}
	r.Trailer = nil
}

type bodyWithoutTrailers struct {
	io.ReadCloser
	trailer http.Header
}

// Read satisfies io.Reader.
func (b *bodyWithoutTrailers) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		clear(b.trailer)
	}
	return n, err
}
