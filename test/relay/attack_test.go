package relay_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestStrangersAreSentAway sends what no client sends, and never answers a close frame.
func TestStrangersAreSentAway(t *testing.T) {
	const (
		startTime = 5 * time.Second
		atOnce    = time.Second // to be told why
	)
	wrong := wireFrame(opText|fin, `{"type":"start","version":1,"data":{"token":"c_abcdefghij"}}`)
	tests := map[string]struct {
		once   string
		again  string // until the connection is closed
		within time.Duration
	}{
		"nothing":                      {"", "", startTime},
		"a start byte by byte":         {wireFrame(opText|fin, strings.Repeat("x", 1000))[:8], "x", startTime},
		"fragments without end":        {wireFrame(opText, "{"), wireFrame(opContinuation, ""), startTime},
		"pings without end":            {"", wireFrame(opPing|fin, "hello"), startTime},
		"the wrong token":              {wrong, "", atOnce},
		"the wrong token, then frames": {wrong, wrong, atOnce},
		"the wrong token, then pings":  {wrong, wireFrame(opPing|fin, ""), atOnce},
		"a compressed frame":           {wireFrame(opText|fin|compressed, "\xaa\x56\x4a\x2d"), "", atOnce},
		"a frame without a mask":       {"\x81\x02{}", "", atOnce},
		"garbage":                      {"\x7f\x00\xff\xfe\xfd\xfc\xfb\xfa\xf9\xf8", "", atOnce},
		"a frame of exabytes":          {"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", "x", startTime},
		"a close frame":                {wireFrame(opClose|fin, "\x03\xe8"), "", atOnce},
	}
	url := run(t, "relay")
	ends := make(map[string]<-chan time.Duration)
	for name, test := range tests {
		ends[name] = attack(t, url, test.once, test.again)
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			const busy = 2 * time.Second // a machine with much to do
			if took := <-ends[name]; took > test.within+busy {
				t.Errorf("it was closed after %s", took)
			}
		})
	}
}

// The server reads a body before it lets go of the connection, so a stranger could keep
// the connection open with one that does not come.
func TestHandshakesWithABodyAreRefused(t *testing.T) {
	address := strings.TrimPrefix(run(t, "relay"), "http://")
	address, path, _ := strings.Cut(address, "/")
	for _, framing := range []string{"Content-Length: 100000", "Transfer-Encoding: chunked"} {
		conn := testcaddy.Dial(t, address)
		conn.Send(t, "GET /"+path+" HTTP/1.1\r\nHost: "+address+"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"+framing+"\r\n\r\n")
		res, err := conn.Answer(http.MethodGet)
		if err != nil || res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %v, %v", framing, res.Response, err)
			continue
		}
		if _, err := conn.Answer(http.MethodGet); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: the connection has not ended: %v", framing, err)
		}
	}
}

// attack sends once, and then again until the connection is closed. It tells how long
// that has taken.
func attack(t *testing.T, url, once, again string) <-chan time.Duration {
	t.Helper()
	const longest = 10 * time.Second
	conn := upgrade(t, url)
	began := time.Now()
	conn.Send(t, once)
	ended := make(chan time.Duration, 1)
	_ = conn.SetReadDeadline(began.Add(longest))
	go func() {
		_, _ = io.Copy(io.Discard, conn)
		ended <- time.Since(began)
	}()
	go func() {
		var err error
		for again != "" && err == nil {
			_, err = io.WriteString(conn, again)
			time.Sleep(20 * time.Millisecond) // so that it takes no power from others
		}
	}()
	return ended
}

// upgrade returns a connection after its handshake, to send frames by hand.
func upgrade(t *testing.T, url string) *testcaddy.Conn {
	t.Helper()
	address, path, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	conn := testcaddy.Dial(t, address)
	conn.Send(t, "GET /"+path+" HTTP/1.1\r\nHost: "+address+
		"\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	if res, err := conn.Answer(http.MethodGet); err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("the handshake was answered with %v: %v", res, err)
	}
	return conn
}

// The first byte of a frame.
const (
	opContinuation = 0x0
	opText         = 0x1
	opClose        = 0x8
	opPing         = 0x9
	compressed     = 0x40
	fin            = 0x80
)

// wireFrame returns a frame of a client. Its mask of zeros changes nothing.
func wireFrame(first byte, payload string) string {
	const masked, long = 0x80, 126
	frame := []byte{first, masked | byte(len(payload))}
	if len(payload) >= long {
		frame = binary.BigEndian.AppendUint16([]byte{first, masked | long}, uint16(len(payload)))
	}
	return string(append(frame, 0, 0, 0, 0)) + payload
}
