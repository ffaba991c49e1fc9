package guard_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// h2Request is a request as HTTP/2 frames, so that it can be one that no client
// library would send.
type h2Request struct {
	header   []hpack.HeaderField
	data     string
	trailers []hpack.HeaderField
	open     bool // the stream is not ended
}

// h2Delivery returns a genuine delivery.
func h2Delivery(t *testing.T) *h2Request {
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), testcaddy.UserCreated)
	r := &h2Request{data: testcaddy.UserCreated}
	r.add(":method", "POST")
	r.add(":scheme", "http")
	r.add(":authority", "127.0.0.1")
	r.add(":path", "/hooks")
	r.add("svix-id", "msg_1")
	r.add("svix-timestamp", timestamp)
	r.add("svix-signature", signature)
	r.add("content-length", fmt.Sprint(len(testcaddy.UserCreated)))
	return r
}

func (r *h2Request) add(name, value string) {
	r.header = append(r.header, hpack.HeaderField{Name: name, Value: value})
}

// set replaces a field, or removes it if there is no value.
func (r *h2Request) set(name string, values ...string) {
	at := slices.IndexFunc(r.header, func(f hpack.HeaderField) bool { return f.Name == name })
	if at < 0 {
		at = len(r.header)
	}
	r.header = slices.DeleteFunc(r.header, func(f hpack.HeaderField) bool { return f.Name == name })
	for i, value := range values {
		r.header = slices.Insert(r.header, at+i, hpack.HeaderField{Name: name, Value: value})
	}
}

// emptyBody makes a genuine delivery without a body.
func (r *h2Request) emptyBody(t *testing.T) {
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), "")
	r.data = ""
	r.set("content-length", "0")
	r.set("svix-timestamp", timestamp)
	r.set("svix-signature", signature)
}

func (r *h2Request) send(w io.Writer) error {
	framer := http2.NewFramer(w, nil)
	_, err := io.WriteString(w, http2.ClientPreface)
	errs := []error{err, framer.WriteSettings()}
	errs = append(errs, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, BlockFragment: encode(r.header)}))
	if r.data != "" || len(r.trailers) == 0 {
		errs = append(errs, framer.WriteData(1, !r.open && len(r.trailers) == 0, []byte(r.data)))
	}
	if len(r.trailers) > 0 {
		errs = append(errs, framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, EndHeaders: true, EndStream: true, BlockFragment: encode(r.trailers)}))
	}
	return errors.Join(errs...)
}

func encode(fields []hpack.HeaderField) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	for _, f := range fields {
		_ = encoder.WriteField(f) // never fails: a buffer takes everything
	}
	return block.Bytes()
}

// refused stands for a stream, or a connection, that is ended by HTTP/2 itself.
const refused = "refused"

// anyAnswer is for requests of which Go reads either the headers or the data
// first: only what reaches the backend counts.
const anyAnswer = ""

// nothingPasses is for requests whose answer depends on what Go reads first, but
// of which nothing may reach the backend.
const nothingPasses = "anything but a forwarded delivery"

// http2Answer returns the final status and what the guard says.
func http2Answer(t *testing.T, conn net.Conn) string {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	framer := http2.NewFramer(io.Discard, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			if testcaddy.IsTimeout(err) {
				return "silence"
			}
			return refused
		}
		switch f := frame.(type) {
		case *http2.RSTStreamFrame, *http2.GoAwayFrame:
			return refused
		case *http2.MetaHeadersFrame:
			status, guard := f.PseudoValue("status"), ""
			for _, field := range f.RegularFields() {
				if field.Name == "x-guard" {
					guard = strings.TrimSpace(field.Value)
				}
			}
			if status != "100" {
				return strings.TrimSpace(status + " " + guard)
			}
		}
	}
}

// TestSmugglingOverHTTP2 is TestSmuggling for what HTTP/2 adds: a request whose
// parts, written down as HTTP/1.1 for the backend, could become another.
func TestSmugglingOverHTTP2(t *testing.T) {
	set := func(name string, values ...string) func(*h2Request) {
		return func(r *h2Request) { r.set(name, values...) }
	}
	add := func(name, value string) func(*h2Request) {
		return func(r *h2Request) { r.add(name, value) }
	}
	trailers := func(fields ...hpack.HeaderField) func(*h2Request) {
		return func(r *h2Request) { r.trailers = fields }
	}
	tests := map[string]struct {
		change func(*h2Request)
		answer string
	}{
		"a genuine delivery":               {func(*h2Request) {}, passes},
		"no content-length":                {set("content-length"), passes},
		"content-length above the data":    {set("content-length", "100"), cutShort},
		"content-length below the data":    {set("content-length", "10"), refused},
		"content-length of 0 beside data":  {set("content-length", "0"), nothingPasses},
		"two content-lengths":              {set("content-length", "46", "10"), passes},
		"content-length that is no number": {set("content-length", "4x"), anyAnswer},
		"content-length that is no number beside a signed nothing": {func(r *h2Request) {
			timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), "")
			r.set("svix-timestamp", timestamp)
			r.set("svix-signature", signature)
			r.set("content-length", "4x")
		}, anyAnswer},
		"content-length over max_body": {set("content-length", "5000"), tooLarge},
		"a stream that does not end":   {func(r *h2Request) { r.open = true; r.set("content-length", "100") }, "408 rejected body_timeout"},
		"transfer-encoding":            {add("transfer-encoding", "chunked"), badHTTP},
		"connection":                   {add("connection", "svix-signature"), badHTTP},
		"upgrade":                      {add("upgrade", "h2c"), badHTTP},
		"te other than trailers":       {add("te", "gzip"), badHTTP},
		"expect":                       {add("expect", "100-continue"), passes},
		"expect before a body that is not wanted": {func(r *h2Request) {
			r.set("svix-id")
			r.add("expect", "100-continue")
			r.data, r.open = "", true
		}, "400 rejected missing_header"},
		"an id twice":                {set("svix-id", "msg_1", "msg_1"), malformed},
		"an id in two cases":         {add("Svix-Id", "msg_1"), refused},
		"an upper case name":         {add("X-Other", "1"), refused},
		"a name with a colon":        {add("x:other", "1"), refused},
		"a name with a space":        {add("x other", "1"), refused},
		"a name with a line break":   {add("x\r\nsvix-id", "msg_9"), refused},
		"an empty name":              {add("", "1"), refused},
		"a value with a line break":  {add("x-other", "1\r\nSvix-Id: msg_9"), refused},
		"a value with NUL":           {add("x-other", "1\x00"), refused},
		"underscores are dropped":    {add("svix_id", "msg_9"), passes},
		"no path":                    {set(":path"), refused},
		"an empty path":              {set(":path", ""), refused},
		"two paths":                  {set(":path", "/hooks", "/smuggled"), refused},
		"a path with a line break":   {set(":path", "/hooks HTTP/1.1\r\nSvix-Id: msg_9\r\n\r\n"), refused},
		"a path with a space":        {set(":path", "/hooks HTTP/1.1"), passes},
		"a path without a slash":     {set(":path", "hooks"), refused},
		"an absolute path":           {set(":path", "http://other.example/hooks"), refused},
		"no method":                  {set(":method"), refused},
		"a method with a line break": {set(":method", "POST / HTTP/1.1\r\nX: y"), refused},
		"PUT":                        {set(":method", "PUT"), noPost},
		"CONNECT with :protocol": {func(r *h2Request) {
			r.set(":method", "CONNECT")
			r.header = slices.Insert(r.header, 1, hpack.HeaderField{Name: ":protocol", Value: "websocket"})
		}, refused},
		"no scheme":                         {set(":scheme"), refused},
		"a scheme with a line break":        {set(":scheme", "http\r\nX: y"), refused},
		"an authority with a line break":    {set(":authority", "127.0.0.1\r\nX: y"), refused},
		"an authority with credentials":     {set(":authority", "user@127.0.0.1"), refused},
		"host beside the same authority":    {add("host", "127.0.0.1"), passes},
		"host beside another authority":     {add("host", "other.example"), refused},
		"a pseudo header after another one": {func(r *h2Request) { r.header = append(r.header[1:], r.header[0]) }, refused},
		"an unknown pseudo header": {func(r *h2Request) {
			r.header = slices.Insert(r.header, 0, hpack.HeaderField{Name: ":svix-id", Value: "msg_9"})
		}, refused},
		"trailers are dropped": {trailers(hpack.HeaderField{Name: "svix-id", Value: "msg_9"}), passes},
		"trailers that were announced": {func(r *h2Request) {
			r.add("trailer", "svix-id")
			trailers(hpack.HeaderField{Name: "svix-id", Value: "msg_9"})(r)
		}, passes},
		"an empty body that does not end": {func(r *h2Request) {
			r.emptyBody(t)
			r.open = true
		}, passes},
		"trailers of an empty body": {func(r *h2Request) {
			r.emptyBody(t)
			r.add("trailer", "svix-id")
			trailers(hpack.HeaderField{Name: "svix-id", Value: "msg_9"})(r)
		}, passes},
		"a pseudo header as a trailer": {trailers(hpack.HeaderField{Name: ":path", Value: "/smuggled"}), refused},
		"a request as data is data":    {func(r *h2Request) { r.data = unsigned; r.set("content-length") }, mismatch},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			backend := newWireBackend(t) // its own: what was answered early can still arrive
			site := testcaddy.RunSite(t, hostileSite(backend), "")
			r := h2Delivery(t)
			test.change(r)
			conn := dial(t, site.Plain)
			if err := r.send(conn); err != nil {
				t.Fatal(err)
			}
			got := http2Answer(t, conn)
			received := len(backend.take(t))
			if test.answer == anyAnswer {
				return
			}
			if got != test.answer && test.answer != nothingPasses {
				t.Errorf("the answer is %s, want %s", got, test.answer)
			}
			if (received == 1) != (test.answer == passes) || received > 1 {
				t.Errorf("%d requests reached the backend", received)
			}
		})
	}
}
