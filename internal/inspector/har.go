package inspector

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// The parts of an entry of an HTTP Archive 1.2. Members that begin with an underscore are
// this program's own, as the format allows.
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

func (h *Handler) harOfOne(w http.ResponseWriter, r *http.Request) error {
	record, err := h.entry(r)
	if err != nil {
		return err
	}
	h.writeHAR(w, []uint64{record.seq})
	return nil
}

func (h *Handler) har(w http.ResponseWriter, r *http.Request) error {
	f, err := h.recorder.parseFilter(r.URL.RawQuery, maxLimit)
	if err != nil {
		return badRequest(err)
	}
	selected, _ := f.selectFrom(h.recorder, h.recorder.snapshot().records)
	seqs := make([]uint64, len(selected))
	for i, r := range selected {
		seqs[len(selected)-1-i] = r.seq // the oldest first
	}
	h.writeHAR(w, seqs)
	return nil
}

// writeHAR writes one entry after the other, and leaves out those that are
// forgotten meanwhile: all of them at once would take several times what the
// recorder may keep, for as long as a client takes to read them.
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
			return // who has hung up needs no answer
		}
		text.Reset()
		separator = ","
	}
	text.WriteString("]}}\n")
	_ = writeInTime(w, text.Bytes())
}

func (rc *Recorder) harEntry(r *Record) harEntry {
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

func (r *Record) har() harRequest {
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
		rq.PostData = &harPostData{headerValue(r.request.header, "Content-Type"), text, encoding}
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
	rs.RedirectURL = headerValue(a.header, "Location")
	rs.BodySize = a.body.size
	rs.Content = harContent{Size: a.body.size, MimeType: headerValue(a.header, "Content-Type")}
	rs.Content.Text, rs.Content.Encoding = harText(a.body.data)
	return rs
}

func harText(data []byte) (text, encoding string) {
	if utf8.Valid(data) {
		return string(data), ""
	}
	return base64.StdEncoding.EncodeToString(data), "base64"
}

func harPairs(fields []field) []harPair {
	pairs := []harPair{}
	for _, f := range sortedFields(fields) {
		pairs = append(pairs, harPair{f.name, f.value})
	}
	return pairs
}

func unescapeQuery(text string) string {
	if plain, err := url.QueryUnescape(text); err == nil {
		return plain
	}
	return text
}
