package relay

import (
	"bufio"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/coder/websocket"
)

const (
	byeTime   = time.Second // for the other end to answer a close frame
	maxReason = 123         // bytes of text in a close frame
)

// connection is a WebSocket that can be ended at any time. Close of the package waits
// for the other end, and meanwhile CloseNow does nothing.
type connection struct {
	*websocket.Conn
	raw net.Conn
}

func accept(w http.ResponseWriter, r *http.Request) (*connection, error) {
	h := &hijacker{ResponseWriter: w}
	conn, err := websocket.Accept(h, r, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
	return &connection{conn, h.raw}, err
}

// hijacker keeps the connection that the package takes from the server.
type hijacker struct {
	http.ResponseWriter
	raw net.Conn
}

func (h *hijacker) Hijack() (raw net.Conn, rw *bufio.ReadWriter, err error) {
	h.raw, rw, err = http.NewResponseController(h.ResponseWriter).Hijack()
	return h.raw, rw, err
}

// endAfter lets everything fail after a time, and with it the connection.
func (c *connection) endAfter(d time.Duration) { _ = c.raw.SetDeadline(time.Now().Add(d)) }

// endNever takes back endAfter.
func (c *connection) endNever() { _ = c.raw.SetDeadline(time.Time{}) }

// refuse closes the connection, and sends the reason if the other end listens.
func (c *connection) refuse(code websocket.StatusCode, reason error) {
	text := reason.Error()
	text = strings.ToValidUTF8(text[:min(len(text), maxReason)], "")
	c.endAfter(byeTime)
	_ = c.Close(code, text)
}
