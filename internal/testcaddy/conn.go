package testcaddy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// Conn is a connection on which anything can be sent.
type Conn struct {
	*net.TCPConn
	reader *bufio.Reader
}

// Dial connects to an address until the test ends.
func Dial(t testing.TB, address string) *Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &Conn{conn.(*net.TCPConn), bufio.NewReader(conn)}
}

// Send writes text to the connection.
func (c *Conn) Send(t testing.TB, text string) {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
}

// Answer reads the answer to a request with that method. It must come at once.
func (c *Conn) Answer(method string) (Answer, error) {
	_ = c.SetReadDeadline(time.Now().Add(AtOnce))
	res, err := http.ReadResponse(c.reader, &http.Request{Method: method})
	if err != nil {
		return Answer{}, err
	}
	text, err := io.ReadAll(res.Body)
	return Answer{res, string(text)}, err
}
