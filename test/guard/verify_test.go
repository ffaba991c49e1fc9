package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// rawRequest is a request as it goes over the wire, so that it can be one that
// no client library would send.
type rawRequest struct {
	line   string
	header []string // lines
	body   string   // with its framing
}

// rawDelivery returns a genuine delivery.
func rawDelivery(t testing.TB, path, id, body string) *rawRequest {
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, id, time.Now(), body)
	return &rawRequest{
		line: "POST " + path + " HTTP/1.1",
		header: []string{
			"Host: 127.0.0.1",
			"Svix-Id: " + id,
			"Svix-Timestamp: " + timestamp,
			"Svix-Signature: " + signature,
			fmt.Sprintf("Content-Length: %d", len(body)),
		},
		body: body,
	}
}

// set replaces a header by one line for each value.
func (r *rawRequest) set(name string, values ...string) {
	r.header = slices.DeleteFunc(r.header, func(line string) bool {
		return strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":")
	})
	for _, value := range values {
		r.header = append(r.header, name+": "+value)
	}
}

func (r *rawRequest) get(name string) string {
	for _, line := range r.header {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return value
		}
	}
	return ""
}

// chunk sends the body in chunks instead of announcing its length.
func (r *rawRequest) chunk() {
	r.set("Content-Length")
	r.set("Transfer-Encoding", "chunked")
	r.body = chunksOf(r.body)
}

func chunksOf(body string) string {
	return fmt.Sprintf("1\r\n%s\r\n%x;extension\r\n%s\r\n0\r\n\r\n", body[:1], len(body)-1, body[1:])
}

func (r *rawRequest) resign(t testing.TB, secret string, at time.Time) {
	timestamp, signature := testcaddy.Sign(t, secret, r.get("Svix-Id"), at, r.body)
	r.set("Svix-Timestamp", timestamp)
	r.set("Svix-Signature", signature)
}

func (r *rawRequest) head() string {
	return r.line + "\r\n" + strings.Join(r.header, "\r\n") + "\r\n\r\n"
}

// rawConn is a connection on which anything can be sent.
type rawConn struct{ *testcaddy.Conn }

func dial(t testing.TB, address string) rawConn {
	t.Helper()
	return rawConn{testcaddy.Dial(t, address)}
}

// checkRejected checks that r is answered at once and does not reach the
// backend. The reason is "" where net/http itself answers.
func (c rawConn) checkRejected(t testing.TB, b *testcaddy.Backend, r *rawRequest, status int, reason string) {
	t.Helper()
	method, _, _ := strings.Cut(r.line, " ")
	got, err := c.Answer(method)
	if err != nil {
		t.Fatalf("no answer at once: %v", err)
	}
	guard := ""
	if reason != "" {
		guard = "rejected " + reason
	}
	got.Check(t, status, guard)
	if allow := got.Header.Get("Allow"); (status == http.StatusMethodNotAllowed) != (allow == http.MethodPost) {
		t.Errorf("Allow is %q", allow)
	}
	testcaddy.WantNothing(t, b)
}

// checkInSync checks that the connection has been closed or that a delivery
// that is sent on it now is the next request that Caddy sees, whatever is sent
// before it as the late body of a rejected one.
func (c rawConn) checkInSync(t testing.TB, b *testcaddy.Backend, late string) {
	t.Helper()
	const path = "/afterwards"
	next := rawDelivery(t, path, "msg_2", testcaddy.UserCreated)
	_, _ = io.WriteString(c, late) // fails if the connection is closed
	_, _ = io.WriteString(c, next.head()+next.body)
	res, err := c.Answer(http.MethodPost)
	switch {
	case errors.Is(err, context.DeadlineExceeded), testcaddy.IsTimeout(err):
		t.Error("the connection is open but a genuine delivery on it is not answered")
	case err == nil && res.StatusCode != http.StatusOK:
		t.Errorf("a genuine delivery afterwards got %d %q", res.StatusCode, res.Guard())
	}
	for _, r := range b.Take() {
		if err != nil || r.RequestURI != path {
			t.Errorf("%s %s with %q reached the backend", r.Method, r.RequestURI, r.Payload)
		}
	}
}

// strictGuard is a labelled site that accepts bodies of up to 1 KiB.
func strictGuard(b *testcaddy.Backend) string {
	return `
		clerk_webhook {
			secret ` + testcaddy.Secret + `
			max_body 1KiB
			body_timeout 10s
		}
		reverse_proxy ` + b.Address + testcaddy.Labelled
}

// hostileHead is what is wrong with requests that are rejected for their
// headers alone, whatever their body.
var hostileHead = map[string]struct {
	change func(t *testing.T, r *rawRequest)
	status int
	reason string
}{
	"GET":            {method("GET"), 405, "method_not_allowed"},
	"HEAD":           {method("HEAD"), 405, "method_not_allowed"},
	"PUT":            {method("PUT"), 405, "method_not_allowed"},
	"PATCH":          {method("PATCH"), 405, "method_not_allowed"},
	"DELETE":         {method("DELETE"), 405, "method_not_allowed"},
	"OPTIONS":        {method("OPTIONS"), 405, "method_not_allowed"},
	"TRACE":          {method("TRACE"), 405, "method_not_allowed"},
	"QUERY":          {method("QUERY"), 405, "method_not_allowed"},
	"post":           {method("post"), 405, "method_not_allowed"},
	"POSTAL":         {method("POSTAL"), 405, "method_not_allowed"},
	"PUT overridden": {both(method("PUT"), header("X-HTTP-Method-Override", "POST")), 405, "method_not_allowed"},

	"no id":                         {header("Svix-Id"), 400, "missing_header"},
	"no timestamp":                  {header("Svix-Timestamp"), 400, "missing_header"},
	"no signature":                  {header("Svix-Signature"), 400, "missing_header"},
	"empty id":                      {header("Svix-Id", ""), 400, "missing_header"},
	"empty timestamp":               {header("Svix-Timestamp", ""), 400, "missing_header"},
	"empty signature":               {header("Svix-Signature", ""), 400, "missing_header"},
	"white space as id":             {header("Svix-Id", " \t "), 400, "missing_header"},
	"underscores instead of dashes": {renamed("Svix-Id", "Svix_Id"), 400, "missing_header"},
	"no headers at all": {func(_ *testing.T, r *rawRequest) {
		r.header = slices.DeleteFunc(r.header, func(line string) bool { return strings.HasPrefix(line, "Svix-") })
	}, 400, "missing_header"},
	"incomplete svix set beside a whole webhook set": {func(_ *testing.T, r *rawRequest) {
		for _, part := range []string{"Id", "Timestamp", "Signature"} {
			r.set("Webhook-"+part, r.get("Svix-"+part))
		}
		r.set("Svix-Signature")
	}, 400, "missing_header"},
	"id of one dialect, the rest of the other": {func(_ *testing.T, r *rawRequest) {
		renamed("Svix-Timestamp", "Webhook-Timestamp")(nil, r)
		renamed("Svix-Signature", "Webhook-Signature")(nil, r)
	}, 400, "missing_header"},

	"id twice":               {header("Svix-Id", "msg_1", "msg_1"), 400, "malformed_header"},
	"id twice, one empty":    {header("Svix-Id", "msg_1", ""), 400, "malformed_header"},
	"id twice, in two cases": {func(_ *testing.T, r *rawRequest) { r.header = append(r.header, "sVIX-iD: msg_1") }, 400, "malformed_header"},
	"timestamp twice":        {repeated("Svix-Timestamp"), 400, "malformed_header"},
	"signature twice":        {repeated("Svix-Signature"), 400, "malformed_header"},
	"long id":                {header("Svix-Id", strings.Repeat("a", 257)), 400, "malformed_header"},
	"huge id":                {header("Svix-Id", strings.Repeat("a", 16<<10)), 400, "malformed_header"},
	"id with a full stop":    {header("Svix-Id", "msg.1"), 400, "malformed_header"},
	"id with a space":        {header("Svix-Id", "msg 1"), 400, "malformed_header"},
	"folded id":              {header("Svix-Id", "msg\r\n _1"), 400, "malformed_header"},
	"id in UTF-8":            {header("Svix-Id", "müsli"), 400, "malformed_header"},
	"id in Latin-1":          {header("Svix-Id", "m\xfcsli"), 400, "malformed_header"},
	"long timestamp":         {header("Svix-Timestamp", strings.Repeat("1", 19)), 400, "malformed_header"},
	"huge timestamp":         {header("Svix-Timestamp", strings.Repeat("1", 16<<10)), 400, "malformed_header"},
	"timestamp with a sign":  {prefixed("Svix-Timestamp", "+"), 400, "malformed_header"},
	"negative timestamp":     {prefixed("Svix-Timestamp", "-"), 400, "malformed_header"},
	"timestamp with a zero":  {prefixed("Svix-Timestamp", "0"), 400, "malformed_header"},
	"timestamp in Arabic":    {header("Svix-Timestamp", "١٦١٤٢٦٥٣٣٠"), 400, "malformed_header"},
	"fractional timestamp":   {header("Svix-Timestamp", "1614265330.5"), 400, "malformed_header"},
	"hexadecimal timestamp":  {header("Svix-Timestamp", "0x603795F2"), 400, "malformed_header"},
	"date as timestamp":      {header("Svix-Timestamp", "Thu, 25 Feb 2021 15:02:10 GMT"), 400, "malformed_header"},
	"long signature":         {header("Svix-Signature", strings.Repeat("v1,a ", 820)), 400, "malformed_header"},

	"a little too old": {signedAt(-5*time.Minute - 2*time.Second), 403, "timestamp_too_old"},
	"a day old":        {signedAt(-24 * time.Hour), 403, "timestamp_too_old"},
	"a little too new": {signedAt(5*time.Minute + 2*time.Second), 403, "timestamp_too_new"},
	"in milliseconds":  {header("Svix-Timestamp", "1614265330000"), 403, "timestamp_too_new"},
	"far future":       {header("Svix-Timestamp", strings.Repeat("9", 18)), 403, "timestamp_too_new"},
	"year 1970":        {header("Svix-Timestamp", "1"), 403, "timestamp_too_old"},
}

func method(name string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.line = name + strings.TrimPrefix(r.line, "POST") }
}

func header(name string, values ...string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.set(name, values...) }
}

func renamed(from, to string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) {
		r.set(to, r.get(from))
		r.set(from)
	}
}

func repeated(name string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.set(name, r.get(name), r.get(name)) }
}

func prefixed(name, prefix string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.set(name, prefix+r.get(name)) }
}

func signedAt(age time.Duration) func(*testing.T, *rawRequest) {
	return func(t *testing.T, r *rawRequest) { r.resign(t, testcaddy.Secret, time.Now().Add(age)) }
}

func both(changes ...func(*testing.T, *rawRequest)) func(*testing.T, *rawRequest) {
	return func(t *testing.T, r *rawRequest) {
		for _, change := range changes {
			change(t, r)
		}
	}
}

func TestHostileHeaders(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	for name, test := range hostileHead {
		t.Run(name, func(t *testing.T) {
			r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
			test.change(t, r)
			conn := dial(t, site.Plain)
			conn.Send(t, r.head()+r.body)
			conn.checkRejected(t, backend, r, test.status, test.reason)
			conn.checkInSync(t, backend, "")
		})
	}
}

// A request that its headers condemn is answered at once, whether its body has
// come, comes late or never comes; and its body is never taken for a request.
func TestLateBodyOfRejectedRequest(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	smuggled := rawDelivery(t, "/smuggled", "msg_3", testcaddy.UserCreated)
	body := smuggled.head() + smuggled.body

	none := func(string) int { return 0 }
	half := func(s string) int { return len(s) / 2 }
	whole := func(s string) int { return len(s) }
	framings := map[string]struct {
		change  func(*testing.T, *rawRequest)
		arrived func(body string) int // how much of it comes with the headers
	}{
		"with its body":           {func(*testing.T, *rawRequest) {}, whole},
		"announcing a body":       {func(*testing.T, *rawRequest) {}, none},
		"with a part of its body": {func(*testing.T, *rawRequest) {}, half},
		"with chunks":             {chunkedFrame, whole},
		"announcing chunks":       {chunkedFrame, none},
		"with a part of a chunk":  {chunkedFrame, half},
		"expecting 100":           {header("Expect", "100-continue"), none},
	}
	kinds := []string{"GET", "a day old"}
	if testcaddy.Long {
		kinds = append(kinds, "no id", "long id", "a little too new")
	}
	for _, kind := range kinds {
		for framing, frame := range framings {
			t.Run(kind+"/"+framing, func(t *testing.T) {
				test := hostileHead[kind]
				r := rawDelivery(t, "/", "msg_1", body)
				test.change(t, r)
				frame.change(t, r)
				n := frame.arrived(r.body)
				conn := dial(t, site.Plain)
				conn.Send(t, r.head()+r.body[:n])
				conn.checkRejected(t, backend, r, test.status, test.reason)
				conn.checkInSync(t, backend, r.body[n:])
			})
		}
	}
	for _, client := range site.Clients {
		t.Run("a body that never comes/"+client.Name, func(t *testing.T) {
			r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
			r.Header.Del("Svix-Id")
			r.Body, r.GetBody = drip(testcaddy.UserCreated, time.Hour), nil
			start := time.Now()
			testcaddy.Send(t, client.Client, r).Check(t, 400, "rejected missing_header")
			if took := time.Since(start); took > testcaddy.AtOnce {
				t.Errorf("the answer took %s", took)
			}
			testcaddy.WantNothing(t, backend)
		})
	}
	t.Run("declared over the limit", func(t *testing.T) {
		r := rawDelivery(t, "/", "msg_1", strings.Repeat(body, 10))
		conn := dial(t, site.Plain)
		conn.Send(t, r.head())
		conn.checkRejected(t, backend, r, 413, "body_too_large")
		conn.checkInSync(t, backend, r.body)
	})
}

func chunkedFrame(_ *testing.T, r *rawRequest) { r.chunk() }

// What is wrong shows in the body or in its framing.
func TestHostileBodies(t *testing.T) {
	tests := map[string]struct {
		change    func(t *testing.T, r *rawRequest)
		halfClose bool
		status    int
		reason    string // "" if net/http answers
	}{
		"signed with another secret": {change: func(t *testing.T, r *rawRequest) { r.resign(t, testcaddy.OtherSecret, time.Now()) }, status: 403, reason: "signature_mismatch"},
		"unknown version":            {change: func(_ *testing.T, r *rawRequest) { r.set("Svix-Signature", "v2"+r.get("Svix-Signature")[2:]) }, status: 403, reason: "signature_mismatch"},
		"signature without version":  {change: func(_ *testing.T, r *rawRequest) { r.set("Svix-Signature", r.get("Svix-Signature")[3:]) }, status: 403, reason: "signature_mismatch"},
		"empty v1":                   {change: header("Svix-Signature", "v1,"), status: 403, reason: "signature_mismatch"},
		"signature not in ASCII":     {change: header("Svix-Signature", "v1,ü"), status: 403, reason: "signature_mismatch"},
		"tampered body":              {change: func(_ *testing.T, r *rawRequest) { r.body = strings.Replace(r.body, "user_1", "user_2", 1) }, status: 403, reason: "signature_mismatch"},
		"tampered body in chunks":    {change: both(func(_ *testing.T, r *rawRequest) { r.body = strings.Replace(r.body, "user_1", "user_2", 1) }, chunkedFrame), status: 403, reason: "signature_mismatch"},
		"another id":                 {change: header("Svix-Id", "msg_9"), status: 403, reason: "signature_mismatch"},
		"another fresh timestamp":    {change: header("Svix-Timestamp", fmt.Sprint(time.Now().Unix()-60)), status: 403, reason: "signature_mismatch"},
		"no body":                    {change: func(_ *testing.T, r *rawRequest) { r.set("Content-Length"); r.body = "" }, status: 403, reason: "signature_mismatch"},
		"body of another type":       {change: func(_ *testing.T, r *rawRequest) { r.body = strings.ToUpper(r.body) }, status: 403, reason: "signature_mismatch"},

		"declared over the limit": {change: func(_ *testing.T, r *rawRequest) { r.set("Content-Length", "1025"); r.body = "" }, status: 413, reason: "body_too_large"},
		"declared far over the limit": {change: func(_ *testing.T, r *rawRequest) {
			r.set("Content-Length", "9223372036854775807")
			r.body = ""
		}, status: 413, reason: "body_too_large"},
		"chunks over the limit":         {change: both(bodyOf(1025), chunkedFrame), status: 413, reason: "body_too_large"},
		"chunks over the limit, no end": {change: both(bodyOf(4096), chunkedFrame, withoutEnd), status: 413, reason: "body_too_large"},

		"truncated body":               {change: func(_ *testing.T, r *rawRequest) { r.body = r.body[:10] }, halfClose: true, status: 400, reason: "body_incomplete"},
		"nothing of its body":          {change: func(_ *testing.T, r *rawRequest) { r.body = "" }, halfClose: true, status: 400, reason: "body_incomplete"},
		"truncated chunk":              {change: both(chunkedFrame, func(_ *testing.T, r *rawRequest) { r.body = r.body[:20] }), halfClose: true, status: 400, reason: "body_incomplete"},
		"chunks without their end":     {change: both(chunkedFrame, withoutEnd), halfClose: true, status: 400, reason: "body_incomplete"},
		"chunk size that is no number": {change: both(chunkedFrame, rawBody("xyz\r\nabc\r\n0\r\n\r\n")), status: 400, reason: "body_incomplete"},
		"negative chunk size":          {change: both(chunkedFrame, rawBody("-1\r\nabc\r\n0\r\n\r\n")), status: 400, reason: "body_incomplete"},
		"overflowing chunk size":       {change: both(chunkedFrame, rawBody("fffffffffffffffff\r\nabc\r\n0\r\n\r\n")), status: 400, reason: "body_incomplete"},
		"chunk longer than its size":   {change: both(chunkedFrame, rawBody("3\r\nabcd\r\n0\r\n\r\n")), status: 400, reason: "body_incomplete"},
		"chunk lines of bare LF":       {change: both(chunkedFrame, rawBody("3\nabc\n0\n\n")), status: 400, reason: "body_incomplete"},

		"two lengths":                      {change: header("Content-Length", "46", "45"), status: 400},
		"length with a sign":               {change: header("Content-Length", "+46"), status: 400},
		"negative length":                  {change: header("Content-Length", "-1"), status: 400},
		"overflowing length":               {change: header("Content-Length", "9223372036854775808"), status: 400},
		"unknown transfer encoding":        {change: header("Transfer-Encoding", "gzip, chunked"), status: 501},
		"chunked twice":                    {change: header("Transfer-Encoding", "chunked, chunked"), status: 501},
		"NUL in a header":                  {change: header("X-Other", "a\x00b"), status: 400},
		"NUL in the id":                    {change: header("Svix-Id", "msg_1\x00"), status: 400},
		"space before the colon":           {change: func(_ *testing.T, r *rawRequest) { r.header = append(r.header, "Svix-Id : msg_1") }, status: 400},
		"no Host":                          {change: header("Host"), status: 400},
		"two Hosts":                        {change: header("Host", "127.0.0.1", "127.0.0.1"), status: 400},
		"more headers than net/http takes": {change: header("X-Other", strings.Repeat("a", 2<<20)), status: 431},
	}
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
			test.change(t, r)
			conn := dial(t, site.Plain)
			_, _ = io.WriteString(conn, r.head()+r.body) // may be refused halfway
			if test.halfClose {
				_ = conn.CloseWrite()
			}
			conn.checkRejected(t, backend, r, test.status, test.reason)
			if !test.halfClose {
				conn.checkInSync(t, backend, "")
			}
		})
	}
}

func bodyOf(size int) func(*testing.T, *rawRequest) {
	return func(t *testing.T, r *rawRequest) {
		r.body = strings.Repeat("a", size)
		r.resign(t, testcaddy.Secret, time.Now())
	}
}

func rawBody(text string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.body = text }
}

func withoutEnd(_ *testing.T, r *rawRequest) { r.body = strings.TrimSuffix(r.body, "0\r\n\r\n") }

// Unusual, but genuine.
func TestUnusualDeliveriesPass(t *testing.T) {
	tests := map[string]func(t *testing.T, r *rawRequest){
		"old, but not too old":           signedAt(-5*time.Minute + 3*time.Second),
		"new, but not too new":           signedAt(5*time.Minute - 3*time.Second),
		"header names in another case":   header("sViX-iD", "msg_1"),
		"white space around values":      func(_ *testing.T, r *rawRequest) { r.set("Svix-Id", " \tmsg_1 \t") },
		"a folded signature header":      func(_ *testing.T, r *rawRequest) { r.set("Svix-Signature", "v1,AAAA\r\n "+r.get("Svix-Signature")) },
		"signatures separated by commas": func(_ *testing.T, r *rawRequest) { r.set("Svix-Signature", "v1,AAAA,"+r.get("Svix-Signature")) },
		"chunks":                         chunkedFrame,
		"chunks with trailers": both(chunkedFrame, header("Trailer", "Svix-Id"), func(_ *testing.T, r *rawRequest) {
			r.body = strings.TrimSuffix(r.body, "\r\n") + "Svix-Id: msg_9\r\nSvix-Signature: v1,AAAA\r\n\r\n"
		}),
		"chunks, and a length that is ignored": both(chunkedFrame, header("Content-Length", "5")),
		"a length given twice":                 repeated("Content-Length"),
		"an absolute request target":           func(_ *testing.T, r *rawRequest) { r.line = "POST http://127.0.0.1/ HTTP/1.1" },
		"HTTP/1.0":                             func(_ *testing.T, r *rawRequest) { r.line = "POST / HTTP/1.0" },
	}
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
			change(t, r)
			conn := dial(t, site.Plain)
			conn.Send(t, r.head()+r.body)
			got, err := conn.Answer("POST")
			if err != nil {
				t.Fatal(err)
			}
			got.Check(t, 200, "forwarded")
			arrived := testcaddy.OnlyRequest(t, backend)
			if string(arrived.Payload) != testcaddy.UserCreated || arrived.ContentLength != int64(len(testcaddy.UserCreated)) ||
				len(arrived.Trailer) > 0 || arrived.Header.Get("Svix-Id") != "msg_1" {
				t.Errorf("%q, Content-Length %d, trailers %q, svix-id %q arrived",
					arrived.Payload, arrived.ContentLength, arrived.Trailer, arrived.Header.Get("Svix-Id"))
			}
			conn.checkInSync(t, backend, "")
		})
	}
}

func TestExpectationIsMetByTheGuard(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	r := rawDelivery(t, "/", "msg_1", testcaddy.UserCreated)
	r.set("Expect", "100-continue")
	conn := dial(t, site.Plain)
	conn.Send(t, r.head())
	if got, err := conn.Answer("POST"); err != nil || got.StatusCode != http.StatusContinue {
		t.Fatalf("got %v, %v before the body", got.Response, err)
	}
	conn.Send(t, r.body)
	got, err := conn.Answer("POST")
	if err != nil {
		t.Fatal(err)
	}
	got.Check(t, 200, "forwarded")
	if expect := testcaddy.OnlyRequest(t, backend).Header.Get("Expect"); expect != "" {
		t.Errorf("Expect: %s reached the backend", expect)
	}
}

// Without a body there is nothing to expect, so the guard does not wait.
func TestEmptyDeliveryHasNoFraming(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	r := rawDelivery(t, "/", "msg_1", "")
	r.set("Expect", "100-continue")
	r.set("Trailer", "X-More")
	conn := dial(t, site.Plain)
	conn.Send(t, r.head())
	got, err := conn.Answer("POST")
	if err != nil {
		t.Fatal(err)
	}
	got.Check(t, 200, "forwarded")
	header := testcaddy.OnlyRequest(t, backend).Header
	if header["Expect"] != nil || header["Trailer"] != nil {
		t.Errorf("the backend got %v", header)
	}
}

func TestPipelinedRequestsAreJudgedOneByOne(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, strictGuard(backend), "")
	first := rawDelivery(t, "/1", "msg_1", testcaddy.UserCreated)
	forged := rawDelivery(t, "/2", "msg_2", testcaddy.UserCreated)
	forged.resign(t, testcaddy.OtherSecret, time.Now())
	last := rawDelivery(t, "/3", "msg_3", testcaddy.UserCreated)
	conn := dial(t, site.Plain)
	conn.Send(t, first.head()+first.body+forged.head()+forged.body+last.head()+last.body)
	for i, want := range []string{"forwarded", "rejected signature_mismatch", "forwarded"} {
		got, err := conn.Answer("POST")
		if err != nil {
			t.Fatalf("answer %d: %v", i+1, err)
		}
		if got.Guard() != want {
			t.Errorf("answer %d is %q, want %q", i+1, got.Guard(), want)
		}
	}
	if received := backend.Take(); len(received) != 2 || received[0].RequestURI != "/1" || received[1].RequestURI != "/3" {
		t.Errorf("%d requests reached the backend", len(received))
	}
}

func drip(text string, interval time.Duration) *dripReader {
	return &dripReader{interval: interval, text: text, closed: make(chan struct{})}
}

// noIdleTimeout takes away what Caddy itself does about the deadlines of bodies.
func noIdleTimeout(others string) string { return "timeouts {\nread_body_idle -1s\n" + others + "\n}" }

func TestReportOnlyLetsEverythingThroughWhole(t *testing.T) {
	const maxBody = 1 << 10
	tests := map[string]struct {
		change func(t *testing.T, r *http.Request)
		body   string
		label  string
	}{
		"a genuine delivery":       {body: testcaddy.UserCreated, label: "forwarded"},
		"a genuine empty delivery": {label: "forwarded"},
		"GET":                      {change: func(_ *testing.T, r *http.Request) { r.Method = "GET" }, body: testcaddy.UserCreated, label: "rejected method_not_allowed"},
		"PUT":                      {change: func(_ *testing.T, r *http.Request) { r.Method = "PUT" }, body: testcaddy.UserCreated, label: "rejected method_not_allowed"},
		"without headers":          {change: func(_ *testing.T, r *http.Request) { clear(r.Header) }, body: testcaddy.UserCreated, label: "rejected missing_header"},
		"malformed headers":        {change: func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Id", "a.b") }, body: testcaddy.UserCreated, label: "rejected malformed_header"},
		"stale":                    {change: func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Timestamp", "1614265330") }, body: testcaddy.UserCreated, label: "rejected timestamp_too_old"},
		"forged":                   {change: func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") }, body: testcaddy.UserCreated, label: "rejected signature_mismatch"},
		"forged beside webhook-*":  {change: func(_ *testing.T, r *http.Request) { r.Header.Set("Svix-Id", "msg_9"); r.Header.Set("Webhook-Id", "1") }, body: testcaddy.UserCreated, label: "rejected signature_mismatch"},
		"max_body":                 {body: testcaddy.RandomBody(maxBody), label: "forwarded"},
		"over max_body":            {body: testcaddy.RandomBody(maxBody + 1), label: "rejected body_too_large"},
		"far over max_body":        {body: testcaddy.RandomBody(3 << 20), label: "rejected body_too_large"},
	}
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, `
		clerk_webhook {
			secret `+testcaddy.Secret+`
			max_body 1KiB
			report_only
		}
		reverse_proxy `+backend.Address+testcaddy.Labelled, "")
	for _, client := range site.Clients {
		for framing, frame := range map[string]func(*http.Request){"with Content-Length": func(*http.Request) {}, "without Content-Length": testcaddy.Chunk} {
			for name, test := range tests {
				t.Run(client.Name+"/"+framing+"/"+name, func(t *testing.T) {
					r := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, test.body)
					frame(r)
					if test.change != nil {
						test.change(t, r)
					}
					testcaddy.Send(t, client.Client, r).Check(t, 200, test.label)
					got := testcaddy.OnlyRequest(t, backend)
					if got.Method != r.Method || string(got.Payload) != test.body {
						t.Errorf("%s with %d bytes arrived, want %s with %d", got.Method, len(got.Payload), r.Method, len(test.body))
					}
					for name := range r.Header {
						if got.Header.Get(name) != r.Header.Get(name) {
							t.Errorf("%s arrived as %q", name, got.Header.Get(name))
						}
					}
				})
			}
		}
	}
}

func TestReportOnlyFiltersGenuineDeliveries(t *testing.T) {
	backend := testcaddy.NewBackend(t, nil)
	site := testcaddy.RunSite(t, `
		clerk_webhook {
			secret `+testcaddy.Secret+`
			events user.deleted
			report_only
		}
		reverse_proxy `+backend.Address+testcaddy.Labelled, "")
	client := site.Clients[0]
	testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)).Check(t, 204, "filtered")
	testcaddy.WantNothing(t, backend)
	testcaddy.Send(t, client.Client, testcaddy.SignedRequest(t, client.URL, testcaddy.OtherSecret, testcaddy.UserCreated)).Check(t, 200, "rejected signature_mismatch")
	testcaddy.OnlyRequest(t, backend)
}

// dripReader gives one byte at a time, slower than any deadline of these tests
// allows for, until it is closed or used up.
type dripReader struct {
	interval time.Duration
	text     string
	closed   chan struct{}
	once     sync.Once
}

func (d *dripReader) Read(p []byte) (int, error) {
	select {
	case <-d.closed:
		return 0, io.ErrClosedPipe
	case <-time.After(d.interval):
	}
	if d.text == "" {
		return 0, io.EOF
	}
	p[0], d.text = d.text[0], d.text[1:]
	return 1, nil
}

func (d *dripReader) Close() error {
	d.once.Do(func() { close(d.closed) })
	return nil
}
