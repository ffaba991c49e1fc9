package inspector

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
)

// asHTTP serves the request as a file, such as clerk-webhook verify reads
// to look for more causes than the secrets of this Caddy can tell.
func (h *Handler) asHTTP(w http.ResponseWriter, r *http.Request) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	if !record.request.body.isComplete() {
		return errBodyCut
	}
	w.Header().Set("Content-Type", "application/octet-stream") // it is the sender's, so no browser may show it
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="delivery-%s.http"`, h.recorder.id(record.seq)))
	_ = writeInTime(w, wireFormat(record))
	return nil
}

// wireFormat returns r as HTTP/1 has it on the wire, whatever it came by, with a
// body of announced length. That is byte for byte what was signed; of
// credentials there is nothing.
func wireFormat(r *Record) []byte {
	var m bytes.Buffer
	fmt.Fprintf(&m, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.request.method, r.request.uri, r.request.host, len(r.request.body.data))
	for _, f := range sortedFields(r.request.header) {
		if !f.redacted && !slices.Contains(framing, f.name) {
			fmt.Fprintf(&m, "%s: %s\r\n", f.name, f.value)
		}
	}
	m.WriteString("\r\n")
	m.Write(r.request.body.data)
	return m.Bytes()
}
