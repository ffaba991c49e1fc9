package command

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strings"
)

// parseRequest splits a recorded HTTP request into its headers and its body,
// which it takes byte for byte to the end of the input. That is why net/http
// does not read it: recordings have LF for line ends, no Content-Length or a
// wrong one, "HTTP/2" in their first line, or no such line.
func parseRequest(raw []byte) (http.Header, []byte, error) {
	head, body, ok := cutHead(bytes.TrimLeft(raw, "\r\n"))
	if !ok {
		return nil, nil, errors.New("it has no empty line between headers and body")
	}
	if first, rest, _ := bytes.Cut(head, []byte("\n")); isRequestLine(string(first)) {
		head = rest
	}
	reader := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n"))))
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return nil, nil, errors.New("its headers are not lines of 'Name: value'")
	}
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		body = dechunk(body)
	}
	return http.Header(header), body, nil
}

// cutHead cuts raw at its first empty line. The head keeps the end of its last
// line.
func cutHead(raw []byte) (head, body []byte, ok bool) {
	for offset := 0; offset < len(raw); {
		end := bytes.IndexByte(raw[offset:], '\n')
		if end < 0 {
			return nil, nil, false
		}
		line := raw[offset : offset+end]
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return raw[:offset], raw[offset+end+1:], true
		}
		offset += end + 1
	}
	return nil, nil, false
}

// isRequestLine tells "POST /path HTTP/1.1" from a header.
func isRequestLine(line string) bool {
	name, _, hasColon := strings.Cut(line, ":")
	return !hasColon || strings.ContainsAny(strings.TrimSpace(name), " \t")
}

// dechunk returns the body that chunks carry. Many tools record it without
// them.
func dechunk(body []byte) []byte {
	plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil {
		return body
	}
	return plain
}
