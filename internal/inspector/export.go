package inspector

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
)

// The parts of an entry of an HTTP Archive 1.2. Members that begin with an
// underscore are this program's own, which the format allows.
type (
	harEntry struct {
		StartedDateTime time.Time   `json:"startedDateTime"`
		Time            float64     `json:"time"`
		Request         harRequest  `json:"request"`
		Response        harResponse `json:"response"`
		Cache           struct{}    `json:"cache"`
		Timings         harTimings  `json:"timings"`
		Delivery        summaryView `json:"_delivery"`
	}
	harRequest struct {
		Method      string       `json:"method"`
		URL         string       `json:"url"`
		HTTPVersion string       `json:"httpVersion"`
		Cookies     []struct{}   `json:"cookies"`
		Headers     []harPair    `json:"headers"`
		QueryString []harPair    `json:"queryString"`
		PostData    *harPostData `json:"postData,omitempty"`
		HeadersSize int          `json:"headersSize"`
		BodySize    int64        `json:"bodySize"`
	}
	harPostData struct {
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Encoding string `json:"_encoding,omitempty"`
	}
	harResponse struct {
		Status      int        `json:"status"`
		StatusText  string     `json:"statusText"`
		HTTPVersion string     `json:"httpVersion"`
		Cookies     []struct{} `json:"cookies"`
		Headers     []harPair  `json:"headers"`
		Content     harContent `json:"content"`
		RedirectURL string     `json:"redirectURL"`
		HeadersSize int        `json:"headersSize"`
		BodySize    int64      `json:"bodySize"`
	}
	harContent struct {
		Size     int64  `json:"size"`
		MimeType string `json:"mimeType"`
		Text     string `json:"text"`
		Encoding string `json:"encoding,omitempty"`
	}
	harTimings struct {
		Send    float64 `json:"send"`
		Wait    float64 `json:"wait"`
		Receive float64 `json:"receive"`
	}
	harPair struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
)

func (h *Handler) harOfOne(w http.ResponseWriter, _ *http.Request, recording *Recording) error {
	h.writeHAR(w, []uint64{recording.seq})
	return nil
}

func (h *Handler) har(w http.ResponseWriter, r *http.Request) error {
	f, err := h.recorder.parseFilter(r.URL.RawQuery, maxLimit)
	if err != nil {
		return badRequest(err)
	}
	selected, _ := f.selectFrom(h.recorder, h.recorder.snapshot().recordings)
	seqs := make([]uint64, len(selected))
	for i, r := range selected {
		seqs[len(selected)-1-i] = r.seq // the oldest first
	}
	h.writeHAR(w, seqs)
	return nil
}

// writeHAR writes one entry after the other, and leaves out those that are gone by
// then. All of them at once would take several times the recorder's memory for as
// long as a client reads.
func (h *Handler) writeHAR(w http.ResponseWriter, seqs []uint64) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="deliveries.har"`)
	var text bytes.Buffer
	text.WriteString(`{"log":{"version":"1.2","creator":{"name":"caddy-clerk-webhook","version":"1"},"entries":[`)
	separator := ""
	for _, seq := range seqs {
		r := h.recorder.find(seq)
		if r == nil {
			continue
		}
		text.WriteString(separator)
		text.Write(encode(h.recorder.harEntry(r)))
		if writeInTime(w, text.Bytes()) != nil {
			return // a client that has hung up needs no answer
		}
		text.Reset()
		separator = ","
	}
	text.WriteString("]}}\n")
	_ = writeInTime(w, text.Bytes())
}

func (rc *Recorder) harEntry(r *Recording) harEntry {
	return harEntry{
		StartedDateTime: r.time.UTC(),
		Time:            milliseconds(r.stages.answered),
		Request:         r.har(),
		Response:        r.answer.har(r.request.protocol),
		Timings: harTimings{
			Send: milliseconds(r.stages.received),
			Wait: milliseconds(max(0, r.stages.answered-r.stages.received)),
		},
		Delivery: rc.summarize(r),
	}
}

func (r *Recording) har() harRequest {
	rq := harRequest{
		Method:      r.request.method,
		URL:         r.url(),
		HTTPVersion: r.request.protocol,
		Cookies:     []struct{}{},
		Headers:     harPairs(r.request.header),
		QueryString: []harPair{},
		HeadersSize: -1,
		BodySize:    r.request.body.size,
	}
	_, query, _ := strings.Cut(r.request.uri, "?")
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		if part != "" {
			rq.QueryString = append(rq.QueryString, harPair{unescapeQuery(name), unescapeQuery(value)})
		}
	}
	if len(r.request.body.data) > 0 {
		text, encoding := harText(r.request.body.data)
		rq.PostData = &harPostData{r.request.header.get("Content-Type"), text, encoding}
	}
	return rq
}

func (a *answer) har(protocol string) harResponse {
	rs := harResponse{HTTPVersion: protocol, Cookies: []struct{}{}, Headers: []harPair{}, HeadersSize: -1}
	if a == nil {
		return rs
	}
	rs.Status, rs.StatusText = a.status, http.StatusText(a.status)
	rs.Headers = harPairs(a.header)
	rs.RedirectURL = a.header.get("Location")
	rs.BodySize = a.body.size
	rs.Content = harContent{Size: a.body.size, MimeType: a.header.get("Content-Type")}
	rs.Content.Text, rs.Content.Encoding = harText(a.body.data)
	return rs
}

func harText(data []byte) (text, encoding string) {
	if utf8.Valid(data) {
		return string(data), ""
	}
	return base64.StdEncoding.EncodeToString(data), "base64"
}

func harPairs(header fields) []harPair {
	pairs := []harPair{}
	for _, f := range header.sorted() {
		pairs = append(pairs, harPair{f.Name, f.Value})
	}
	return pairs
}

func unescapeQuery(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}

func (h *Handler) curl(w http.ResponseWriter, _ *http.Request, recording *Recording) error {
	if !recording.request.body.isComplete() {
		return errBodyCut
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_ = writeInTime(w, []byte(curlCommand(recording)))
	return nil
}

func curlCommand(r *Recording) string {
	c := shell.Curl{Method: r.request.method, URL: r.url(), Body: r.request.body.data}
	if strings.Contains(r.request.uri, "#") {
		c.Target = r.request.uri // because curl cuts it off a URL
	}
	for _, f := range r.request.header.sorted() {
		if !f.Redacted && f.Name != "Content-Length" {
			c.Headers = append(c.Headers, shell.Header{Name: f.Name, Value: f.Value})
		}
	}
	for _, name := range []string{"Accept", "Content-Type", "User-Agent"} {
		if !r.request.header.has(name) {
			c.Without = append(c.Without, name)
		}
	}
	return c.String()
}

// asHTTP serves the request as a file. The command clerk-webhook verify reads it,
// and can look for more causes with other secrets.
func (h *Handler) asHTTP(w http.ResponseWriter, _ *http.Request, recording *Recording) error {
	if !recording.request.body.isComplete() {
		return errBodyCut
	}
	w.Header().Set("Content-Type", "application/octet-stream") // no browser may show what a sender wrote
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="delivery-%s.http"`, h.recorder.id(recording.seq)))
	_ = writeInTime(w, httpFile(recording))
	return nil
}

// httpFile returns r as an HTTP/1 request with a Content-Length, whatever protocol
// it came by. The body is what was signed, byte for byte. It has no credentials.
func httpFile(r *Recording) []byte {
	var m bytes.Buffer
	fmt.Fprintf(&m, "%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n", r.request.method, r.request.uri, r.request.host, len(r.request.body.data))
	for _, f := range r.request.header.sorted() {
		if !f.Redacted && !slices.Contains(framing, f.Name) {
			fmt.Fprintf(&m, "%s: %s\r\n", f.Name, f.Value)
		}
	}
	m.WriteString("\r\n")
	m.Write(r.request.body.data)
	return m.Bytes()
}
