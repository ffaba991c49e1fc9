package guard_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// Answers as they are compared here: the status, and what the guard says if the
// request came as far.
const (
	passes    = "200 forwarded"
	missing   = "400 rejected missing_header"
	malformed = "400 rejected malformed_header"
	mismatch  = "403 rejected signature_mismatch"
	cutShort  = "400 rejected body_incomplete"
	tooLarge  = "413 rejected body_too_large"
	noPost    = "405 rejected method_not_allowed"
	badHTTP   = "400" // of net/http itself
	unknownTE = "501"
)

// unsigned is what an attacker would like to smuggle past the guard.
const unsigned = "POST /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n"

// TestSmuggling sends what makes two HTTP implementations disagree about where a
// request ends or what its headers say. Whatever the answers are, a backend
// that keeps every byte, and verifies with Svix's library, gets deliveries that
// verify and nothing else.
func TestSmuggling(t *testing.T) {
	backend := newWireBackend(t)
	site := testcaddy.RunSite(t, hostileSite(backend), "")
	for group, rows := range map[string]map[string]hostileRow{
		"framing": framingRows, "chunks": chunkRows, "trailers": trailerRows, "pipelining": pipeliningRows,
		"headers": headerRows, "connection": connectionRows, "expectation": expectationRows,
		"request line": requestLineRows, "content": contentRows,
	} {
		for name, row := range rows {
			t.Run(group+"/"+name, func(t *testing.T) {
				r := rawDelivery(t, "/hooks", "msg_1", testcaddy.UserCreated)
				row.change(t, r)
				conn := dial(t, site.Plain)
				_, _ = io.WriteString(conn, r.head()+r.body) // may be refused halfway
				conn.checkAnswers(t, r, row.answers)
				received := backend.take(t)
				forwarded := 0
				for _, answer := range row.answers {
					if answer == passes {
						forwarded++
					}
				}
				if len(received) != forwarded {
					t.Errorf("%d requests reached the backend, want %d", len(received), forwarded)
				}
				if row.arrived != nil {
					for _, got := range received {
						row.arrived(t, r, got)
					}
				}
			})
		}
	}
}

// hostileSite is a labelled site with small limits.
func hostileSite(b *wireBackend) string {
	return `
		clerk_webhook {
			secret ` + testcaddy.Secret + `
			max_body 4KiB
			body_timeout 300ms
		}
		reverse_proxy ` + b.address + ` {
			transport http {
				keepalive 1s
			}
		}` + testcaddy.Labelled
}

// hostileRow is a change to a genuine delivery and what is answered to all that
// is then sent on the connection, in order.
type hostileRow struct {
	change  func(t *testing.T, r *rawRequest)
	answers []string
	arrived func(t *testing.T, sent *rawRequest, got wireRequest) // if the backend gets one
}

func answers(all ...string) []string { return all }

// checkAnswers checks that these answers come, and no more before the server
// closes the connection.
func (c *rawConn) checkAnswers(t *testing.T, r *rawRequest, want []string) {
	t.Helper()
	method, _, _ := strings.Cut(r.line, " ")
	for i, wanted := range want {
		got, err := c.Answer(method)
		if err != nil {
			t.Fatalf("answer %d: %v, want %s", i+1, err, wanted)
		}
		if got := strings.TrimSpace(fmt.Sprint(got.StatusCode, " ", got.Guard())); got != wanted {
			t.Errorf("answer %d is %s, want %s", i+1, got, wanted)
		}
		method = http.MethodPost
	}
	_ = c.CloseWrite()
	if got, err := c.Answer(http.MethodPost); err == nil {
		t.Errorf("there is one more answer: %d %s", got.StatusCode, got.Guard())
	} else if testcaddy.IsTimeout(err) {
		t.Errorf("the connection goes on")
	}
}

// signedEmpty makes r a genuine delivery of nothing, whose body is what follows.
func signedEmpty(t *testing.T, r *rawRequest) {
	r.body = ""
	r.resign(t, testcaddy.Secret, time.Now())
}

func appended(text string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.body += text }
}

func line(text string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.header = append(r.header, text) }
}

func requestLine(text string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) { r.line = text }
}

// lengthOfAll announces all of the body by Content-Length, whatever else does.
func lengthOfAll(_ *testing.T, r *rawRequest) { r.set("Content-Length", fmt.Sprint(len(r.body))) }

// chunkedAnd announces chunks, and lets whatever announced a length stand.
func chunkedAnd(transferEncoding ...string) func(*testing.T, *rawRequest) {
	return func(_ *testing.T, r *rawRequest) {
		r.set("Transfer-Encoding", transferEncoding...)
		r.body = chunksOf(r.body)
	}
}

var framingRows = map[string]hostileRow{
	"chunks beside a shorter Content-Length: the chunks count": {
		change: chunkedAnd("chunked"), answers: answers(passes),
	},
	"chunks that end before Content-Length: what follows is a request of its own": {
		change:  both(signedEmpty, appended("0\r\n\r\n"+unsigned), header("Transfer-Encoding", "chunked"), lengthOfAll),
		answers: answers(passes, missing),
	},
	"Content-Length that ends before the chunks: the chunks count": {
		change:  both(header("Transfer-Encoding", "chunked"), func(_ *testing.T, r *rawRequest) { r.body = chunksOf(r.body + unsigned) }),
		answers: answers(mismatch),
	},
	"two equal Content-Lengths are one": {change: repeated("Content-Length"), answers: answers(passes)},
	"two different Content-Lengths": {
		change: both(appended(unsigned), header("Content-Length", fmt.Sprint(len(testcaddy.UserCreated)), fmt.Sprint(len(testcaddy.UserCreated+unsigned)))), answers: answers(badHTTP),
	},
	"a list of Content-Lengths":          {change: header("Content-Length", "46, 46"), answers: answers(badHTTP)},
	"Content-Length with a sign":         {change: header("Content-Length", "+46"), answers: answers(badHTTP)},
	"hexadecimal Content-Length":         {change: header("Content-Length", "0x2e"), answers: answers(badHTTP)},
	"Content-Length with a space within": {change: header("Content-Length", "4 6"), answers: answers(badHTTP)},
	"empty Content-Length":               {change: header("Content-Length", ""), answers: answers(badHTTP)},
	"Content-Length in another case":     {change: both(header("Content-Length"), line("cONTENT-lENGTH: "+fmt.Sprint(len(testcaddy.UserCreated)))), answers: answers(passes)},
	"a body without any length is the next request": {
		change: both(header("Content-Length"), func(_ *testing.T, r *rawRequest) { r.body = unsigned }), answers: answers(mismatch, missing),
	},
	"a body that is longer than declared: the rest is no request": {change: appended("{}\r\n\r\n"), answers: answers(passes, badHTTP)},
	"a body that is longer than declared: the rest is a request":  {change: appended(unsigned), answers: answers(passes, missing)},
	"a body that is shorter than declared, and silence": {
		change: func(_ *testing.T, r *rawRequest) { r.body = r.body[:20] }, answers: answers("408 rejected body_timeout"),
	},
	"a body that is shorter than declared takes the next request for its rest": {
		change: func(_ *testing.T, r *rawRequest) {
			r.set("Content-Length", fmt.Sprint(len(r.body+unsigned)))
			r.body += unsigned
		},
		answers: answers(mismatch),
	},

	"Transfer-Encoding chunked, identity": {change: chunkedAnd("chunked, identity"), answers: answers(unknownTE)},
	"Transfer-Encoding identity, chunked": {change: chunkedAnd("identity, chunked"), answers: answers(unknownTE)},
	"Transfer-Encoding identity":          {change: header("Transfer-Encoding", "identity"), answers: answers(unknownTE)},
	"Transfer-Encoding gzip, chunked":     {change: chunkedAnd("gzip, chunked"), answers: answers(unknownTE)},
	"Transfer-Encoding xchunked":          {change: chunkedAnd("xchunked"), answers: answers(unknownTE)},
	"Transfer-Encoding chunked; q=1":      {change: chunkedAnd("chunked; q=1"), answers: answers(unknownTE)},
	"Transfer-Encoding \"chunked\"":       {change: chunkedAnd(`"chunked"`), answers: answers(unknownTE)},
	"empty Transfer-Encoding":             {change: header("Transfer-Encoding", ""), answers: answers(unknownTE)},
	"two Transfer-Encodings":              {change: chunkedAnd("chunked", "chunked"), answers: answers(unknownTE)},
	"chunked and then another":            {change: chunkedAnd("chunked", "identity"), answers: answers(unknownTE)},
	"Transfer-Encoding CHUNKED":           {change: chunkedAnd("CHUNKED"), answers: answers(passes)},
	"Transfer-Encoding after a tab":       {change: both(func(_ *testing.T, r *rawRequest) { r.body = chunksOf(r.body) }, line("Transfer-Encoding:\tchunked")), answers: answers(passes)},
	"Transfer-Encoding folded":            {change: both(func(_ *testing.T, r *rawRequest) { r.body = chunksOf(r.body) }, line("Transfer-Encoding:\r\n chunked")), answers: answers(passes)},
	"Transfer-Encoding with vertical tab": {change: chunkedAnd("\vchunked"), answers: answers(badHTTP)},
	"space before the colon of Transfer-Encoding": {
		change: both(line("Transfer-Encoding : chunked"), appended(unsigned)), answers: answers(badHTTP),
	},
	"Transfer_Encoding is no Transfer-Encoding": {change: both(line("Transfer_Encoding: chunked"), appended(unsigned)), answers: answers(passes, missing)},
	"Transfer-Encoding in HTTP/1.0": {
		change: both(requestLine("POST /hooks HTTP/1.0"), header("Transfer-Encoding", "chunked"), appended(unsigned)), answers: answers(passes),
	},
}

var chunkRows = map[string]hostileRow{
	"extensions are dropped":               {change: both(chunkedFrame, func(_ *testing.T, r *rawRequest) { r.body = strings.Replace(r.body, ";extension", `;a=b;c="d;e"`, 1) }), answers: answers(passes)},
	"a bare line feed in an extension":     {change: chunkBody("5;a\nb\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"a bare carriage return in a size":     {change: chunkBody("5\rX\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"an extension of 20 KB":                {change: chunkBody("5;" + strings.Repeat("a", 20<<10) + "\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"extensions that outweigh the data":    {change: chunkBody(strings.Repeat("1;"+strings.Repeat("a", 2000)+"\r\nx\r\n", 40) + "0\r\n\r\n"), answers: answers(cutShort)},
	"a size with 0x":                       {change: chunkBody("0x5\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"a size with a sign":                   {change: chunkBody("+5\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"a size with a space before it":        {change: chunkBody(" 5\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"a size with an underscore":            {change: chunkBody("0_5\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"no size":                              {change: chunkBody("\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"a size that overflows to a small one": {change: chunkBody("10000000000000005\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"data that is longer than its size":    {change: chunkBody("3\r\nhello\r\n0\r\n\r\n"), answers: answers(cutShort)},
	"data that does not end in CR LF":      {change: chunkBody("5\r\nhello\n0\r\n\r\n"), answers: answers(cutShort)},
	"a last chunk without its end, and silence": {
		change: both(chunkedFrame, func(_ *testing.T, r *rawRequest) { r.body = strings.TrimSuffix(r.body, "\r\n") }), answers: answers(cutShort),
	},
	"more than max_body":                          {change: both(bodyOf(5000), chunkedFrame), answers: answers(tooLarge)},
	"what follows the last chunk is a request":    {change: both(chunkedFrame, appended(unsigned)), answers: answers(passes, missing)},
	"a request as the data of a chunk stays data": {change: both(bodyIs(unsigned), chunkedFrame), answers: answers(passes), arrived: sameBody(unsigned)},
}

// chunkBody sends these chunks as the body. What they say is not signed, since
// none of them may get as far.
func chunkBody(chunks string) func(*testing.T, *rawRequest) {
	return both(chunkedFrame, rawBody(chunks))
}

func bodyIs(text string) func(*testing.T, *rawRequest) {
	return func(t *testing.T, r *rawRequest) {
		r.body = text
		r.resign(t, testcaddy.Secret, time.Now())
		lengthOfAll(t, r)
	}
}

func sameBody(want string) func(*testing.T, *rawRequest, wireRequest) {
	return func(t *testing.T, _ *rawRequest, got wireRequest) {
		if got.body != want {
			t.Errorf("the body arrived as %q", got.body)
		}
	}
}

func trailer(lines string) func(*testing.T, *rawRequest) {
	return both(chunkedFrame, func(_ *testing.T, r *rawRequest) { r.body = strings.TrimSuffix(r.body, "\r\n") + lines + "\r\n" })
}

var trailerRows = map[string]hostileRow{
	"declared are dropped":            {change: both(trailer("X-Trailer: 1\r\n"), header("Trailer", "X-Trailer")), answers: answers(passes), arrived: without("X-Trailer")},
	"undeclared are dropped":          {change: trailer("X-Trailer: 1\r\n"), answers: answers(passes), arrived: without("X-Trailer")},
	"a signed header changes nothing": {change: both(trailer("Svix-Id: msg_9\r\nSvix-Signature: v1,AAAA\r\n"), header("Trailer", "Svix-Id, Svix-Signature")), answers: answers(passes)},
	"a signature cannot come late": {
		change: func(t *testing.T, r *rawRequest) {
			trailer("Svix-Signature: "+r.get("Svix-Signature")+"\r\n")(t, r)
			header("Trailer", "Svix-Signature")(t, r)
			r.set("Svix-Signature")
		},
		answers: answers(missing),
	},
	"Content-Length in them":  {change: both(trailer("Content-Length: 100\r\n"), appended(unsigned)), answers: answers(passes, missing)},
	"declared Content-Length": {change: both(trailer("Content-Length: 100\r\n"), header("Trailer", "Content-Length")), answers: answers(badHTTP)},
	"without a colon":         {change: trailer("nonsense\r\n"), answers: answers(cutShort)},
	"a trailer of 1 MB":       {change: trailer("X: " + strings.Repeat("a", 1<<20) + "\r\n"), answers: answers(cutShort)},
	"a request in place of a long one is none": {
		change:  trailer("POST /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nX: " + strings.Repeat("a", 20<<10) + "\r\n"),
		answers: answers(cutShort),
	},
}

func without(name string) func(*testing.T, *rawRequest, wireRequest) {
	return func(t *testing.T, _ *rawRequest, got wireRequest) {
		for _, line := range got.lines {
			if strings.HasPrefix(strings.ToLower(line), strings.ToLower(name)+":") {
				t.Errorf("%q arrived", line)
			}
		}
	}
}

// A request is judged by itself, whatever came before it on its connection.
var pipeliningRows = map[string]hostileRow{
	"unsigned after a genuine one":            {change: appended(unsigned), answers: answers(passes, missing)},
	"many unsigned after a genuine one":       {change: appended(strings.Repeat(unsigned, 3)), answers: answers(passes, missing, missing, missing)},
	"unsigned after a rejected one":           {change: both(header("Svix-Id"), appended(unsigned)), answers: answers(missing, missing)},
	"unsigned after a forged one":             {change: both(header("Svix-Signature", "v1,AAAA"), appended(unsigned)), answers: answers(mismatch, missing)},
	"unsigned GET after a genuine one":        {change: appended("GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), answers: answers(passes, noPost)},
	"unsigned as the body of a GET":           {change: both(method("GET"), bodyIs(unsigned)), answers: answers(noPost)},
	"unsigned as the body of a HEAD":          {change: both(method("HEAD"), bodyIs(unsigned)), answers: answers(noPost)},
	"unsigned after the body of a GET":        {change: both(method("GET"), appended(unsigned)), answers: answers(noPost, missing)},
	"unsigned as a genuine body":              {change: bodyIs(unsigned), answers: answers(passes), arrived: sameBody(unsigned)},
	"unsigned in a body that is refused":      {change: both(bodyIs(unsigned), header("Svix-Timestamp", "1")), answers: answers("403 rejected timestamp_too_old")},
	"unsigned in a body that is too large":    {change: bodyIs(strings.Repeat(unsigned, 100)), answers: answers(tooLarge)},
	"after Connection: close nothing is read": {change: both(header("Connection", "close"), appended(unsigned)), answers: answers(passes)},
}

var headerRows = map[string]hostileRow{
	"an id twice":                              {change: repeated("Svix-Id"), answers: answers(malformed)},
	"an id twice, in another case":             {change: line("SVIX-ID: msg_1"), answers: answers(malformed)},
	"a timestamp twice":                        {change: repeated("Svix-Timestamp"), answers: answers(malformed)},
	"a signature twice":                        {change: repeated("Svix-Signature"), answers: answers(malformed)},
	"a folded id":                              {change: header("Svix-Id", "msg_1\r\n\tx"), answers: answers(malformed)},
	"a fold at the beginning":                  {change: func(_ *testing.T, r *rawRequest) { r.header = slices.Insert(r.header, 0, " Svix-Id: msg_9") }, answers: answers(badHTTP)},
	"a fold with a header in it stays a value": {change: line("X-Other: a\r\n Svix-Id: msg_9"), answers: answers(passes)},
	"an id of 16 KB":                           {change: header("Svix-Id", strings.Repeat("a", 16<<10)), answers: answers(malformed)},
	"headers of 2 MB":                          {change: header("X-Other", strings.Repeat("a", 2<<20)), answers: answers("431")},
	"NUL in a value":                           {change: header("Svix-Id", "msg_1\x00"), answers: answers(badHTTP)},
	"NUL in a name":                            {change: line("Svix-\x00Id: msg_1"), answers: answers(badHTTP)},
	"a bare carriage return in a value":        {change: header("X-Other", "a\rSvix-Id: msg_9"), answers: answers(badHTTP)},
	"a bare line feed ends a header":           {change: line("X-Other: a\nSvix-Id: msg_9"), answers: answers(malformed)},
	"escape in a value":                        {change: header("X-Other", "\x1b[2J"), answers: answers(badHTTP)},
	"delete in a value":                        {change: header("X-Other", "\x7f"), answers: answers(badHTTP)},
	"bytes above ASCII in an unsigned value":   {change: header("X-Other", "\xff\x80"), answers: answers(passes)},
	"bytes above ASCII in a name":              {change: line("X-\xff: 1"), answers: answers(badHTTP)},
	"mixed case": {change: func(_ *testing.T, r *rawRequest) {
		id := r.get("Svix-Id")
		r.set("Svix-Id")
		r.header = append(r.header, "sVIx-iD: "+id)
	}, answers: answers(passes)},
	"a space before the colon":              {change: line("Svix-Id : msg_9"), answers: answers(badHTTP)},
	"a tab before the colon":                {change: line("Svix-Id\t: msg_9"), answers: answers(badHTTP)},
	"no name":                               {change: line(": msg_9"), answers: answers(badHTTP)},
	"no colon":                              {change: line("Svix-Id"), answers: answers(badHTTP)},
	"underscores beside dashes are dropped": {change: both(line("Svix_Id: msg_9"), line("SVIX_SIGNATURE: v1,AAAA"), line("Webhook_Id: msg_9")), answers: answers(passes)},
	"dots beside dashes are dropped":        {change: line("Svix.Id: msg_9"), answers: answers(passes), arrived: without("Svix.Id")},
	"a tilde beside dashes is dropped":      {change: line("Svix~Id: msg_9"), answers: answers(passes), arrived: without("Svix~Id")},
	"a bar beside dashes is dropped":        {change: line("Svix|Timestamp: 9"), answers: answers(passes), arrived: without("Svix|Timestamp")},
	"a plus beside dashes is dropped":       {change: line("SVIX+SIGNATURE: v1,AAAA"), answers: answers(passes), arrived: without("Svix+Signature")},
	"the other dialect with a tilde":        {change: line("Webhook~Id: msg_9"), answers: answers(passes), arrived: without("Webhook~Id")},
	"underscores in place of dashes":        {change: renamed("Svix-Id", "Svix_Id"), answers: answers(missing)},
	"webhook-* beside svix-* are dropped":   {change: both(line("Webhook-Id: msg_9"), line("Webhook-Timestamp: 1"), line("Webhook-Signature: v1,AAAA")), answers: answers(passes)},
}

// Headers about the connection concern Caddy, and no sender can use them to
// take away, or add, what the backend gets.
var connectionRows = map[string]hostileRow{
	"naming the id":                        {change: header("Connection", "svix-id"), answers: answers(malformed)},
	"naming the timestamp among others":    {change: header("Connection", "keep-alive, Svix-Timestamp"), answers: answers(malformed)},
	"naming the signature in a second one": {change: header("Connection", "close", "svix-signature"), answers: answers(malformed)},
	"naming Content-Length":                {change: header("Connection", "content-length"), answers: answers(passes)},
	"naming Transfer-Encoding":             {change: both(chunkedFrame, header("Connection", "transfer-encoding")), answers: answers(passes)},
	"naming Host":                          {change: header("Connection", "host"), answers: answers(passes)},
	"naming a header that is not signed":   {change: both(header("Connection", "x-hop"), header("X-Hop", "1")), answers: answers(passes), arrived: without("X-Hop")},
	"Upgrade to websocket":                 {change: both(header("Connection", "Upgrade"), header("Upgrade", "websocket"), appended(unsigned)), answers: answers(passes, missing)},
	"Upgrade to h2c": {
		change:  both(header("Connection", "Upgrade, HTTP2-Settings"), header("Upgrade", "h2c"), header("HTTP2-Settings", "AAMAAABkAARAAAAAAAIAAAAA"), appended(unsigned)),
		answers: answers(passes, missing), arrived: without("HTTP2-Settings"),
	},
	"Proxy-Connection":           {change: header("Proxy-Connection", "keep-alive"), answers: answers(passes), arrived: without("Proxy-Connection")},
	"Keep-Alive":                 {change: header("Keep-Alive", "timeout=5"), answers: answers(passes), arrived: without("Keep-Alive")},
	"Te other than trailers":     {change: header("Te", "gzip"), answers: answers(passes), arrived: without("Te")},
	"a broken preface of HTTP/2": {change: requestLine("PRI * HTTP/2.0"), answers: answers(noPost)},
}

// What the headers condemn is not invited to send its body.
var expectationRows = map[string]hostileRow{
	"missing header":         {change: both(expecting, header("Svix-Id")), answers: answers(missing)},
	"malformed header":       {change: both(expecting, header("Svix-Id", "a b")), answers: answers(malformed)},
	"Connection names one":   {change: both(expecting, header("Connection", "svix-id")), answers: answers(malformed)},
	"stale":                  {change: both(expecting, header("Svix-Timestamp", "1614265330")), answers: answers("403 rejected timestamp_too_old")},
	"not POST":               {change: both(expecting, method("PUT")), answers: answers(noPost)},
	"declared over max_body": {change: both(expecting, header("Content-Length", "5000")), answers: answers(tooLarge)},
	"well-formed headers":    {change: expecting, answers: answers("100", "408 rejected body_timeout")},
	"of something else":      {change: both(expecting, header("Expect", "200-ok")), answers: answers("417")},
	"with the body at once":  {change: header("Expect", "100-continue"), answers: answers("100", passes)},
}

// expecting sends the headers only.
func expecting(_ *testing.T, r *rawRequest) {
	r.set("Expect", "100-continue")
	r.body = ""
}

var requestLineRows = map[string]hostileRow{
	"absolute":                      {change: requestLine("POST http://127.0.0.1/hooks HTTP/1.1"), answers: answers(passes), arrived: target("/hooks")},
	"absolute, with another scheme": {change: requestLine("POST ftp://127.0.0.1/hooks HTTP/1.1"), answers: answers(passes), arrived: target("/hooks")},
	"absolute, of another site":     {change: requestLine("POST http://other.example/hooks HTTP/1.1"), answers: answers("200")},
	"asterisk":                      {change: requestLine("POST * HTTP/1.1"), answers: answers(passes), arrived: target("*")},
	"CONNECT":                       {change: requestLine("CONNECT 127.0.0.1:80 HTTP/1.1"), answers: answers(noPost)},
	"two spaces":                    {change: requestLine("POST  /hooks HTTP/1.1"), answers: answers(badHTTP)},
	"a tab in place of a space":     {change: requestLine("POST\t/hooks HTTP/1.1"), answers: answers(badHTTP)},
	"a space in the target":         {change: requestLine("POST /hooks HTTP/1.1 HTTP/1.1"), answers: answers(badHTTP)},
	"NUL in the target":             {change: requestLine("POST /ho\x00oks HTTP/1.1"), answers: answers(badHTTP)},
	"an encoded line break in the target": {
		change: requestLine("POST /hooks%0d%0aSvix-Id:%20msg_9 HTTP/1.1"), answers: answers(passes), arrived: target("/hooks%0d%0aSvix-Id:%20msg_9"),
	},
	"HTTP/1.0":                      {change: both(requestLine("POST /hooks HTTP/1.0"), appended(unsigned)), answers: answers(passes)},
	"HTTP/1.0 with keep-alive":      {change: both(requestLine("POST /hooks HTTP/1.0"), header("Connection", "keep-alive"), appended(unsigned)), answers: answers(passes, missing)},
	"HTTP/0.9":                      {change: requestLine("POST /hooks"), answers: answers()},
	"HTTP/1.9":                      {change: requestLine("POST /hooks HTTP/1.9"), answers: answers(passes)},
	"HTTP/2.0":                      {change: requestLine("POST /hooks HTTP/2.0"), answers: answers("505")},
	"a query with a question mark":  {change: requestLine("POST /hooks?a=?b HTTP/1.1"), answers: answers(passes), arrived: target("/hooks?a=?b")},
	"HEAD":                          {change: method("HEAD"), answers: answers(noPost)},
	"GET with a genuine body":       {change: method("GET"), answers: answers(noPost)},
	"PUT that claims to be POST":    {change: both(method("PUT"), header("X-HTTP-Method-Override", "POST")), answers: answers(noPost)},
	"POST that claims to be DELETE": {change: header("X-HTTP-Method-Override", "DELETE"), answers: answers(passes)},
}

func target(want string) func(*testing.T, *rawRequest, wireRequest) {
	return func(t *testing.T, _ *rawRequest, got wireRequest) {
		if got.line != "POST "+want+" HTTP/1.1\r\n" {
			t.Errorf("the request line arrived as %q", got.line)
		}
	}
}

var contentRows = map[string]hostileRow{
	"compressed and signed as such": {
		change: both(compressed, header("Content-Encoding", "gzip")), answers: answers(passes),
		arrived: func(t *testing.T, sent *rawRequest, got wireRequest) { sameBody(sent.body)(t, sent, got) },
	},
	"compressed on the way": {
		change: func(t *testing.T, r *rawRequest) {
			r.body = zip(t, r.body)
			lengthOfAll(t, r)
			r.set("Content-Encoding", "gzip")
		},
		answers: answers(mismatch),
	},
	"said to be compressed, but not": {change: header("Content-Encoding", "gzip"), answers: answers(passes), arrived: sameBody(testcaddy.UserCreated)},
	"of an unknown encoding":         {change: header("Content-Encoding", "br, zstd, x"), answers: answers(passes), arrived: sameBody(testcaddy.UserCreated)},
	"every byte":                     {change: bodyIs(everyByte()), answers: answers(passes), arrived: sameBody(everyByte())},
	"a body of nothing":              {change: bodyIs(""), answers: answers(passes), arrived: sameBody("")},
}

func everyByte() string {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return string(all)
}

func compressed(t *testing.T, r *rawRequest) { bodyIs(zip(t, r.body))(t, r) }

func zip(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := io.WriteString(w, text)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
