//go:build linux

package rig

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// exchangeTimeout limits one exchange. If a server does not answer, the
// measurement fails instead of hanging.
const exchangeTimeout = 30 * time.Second

// client is one connection. It reconnects whenever the server closes it. It
// does as little as possible to read an answer, because it shares the
// processors with the measured server.
type client struct {
	conn      net.Conn
	reader    *bufio.Reader
	buffers   [2][]byte // head and body of the request that is being sent
	latencies []time.Duration
	lost      int
}

func (c *client) connect(address string) (err error) {
	if c.conn != nil {
		return nil
	}
	if c.conn, err = net.Dial("tcp", address); err != nil {
		return err
	}
	if c.reader == nil {
		c.reader = bufio.NewReader(c.conn)
	}
	c.reader.Reset(c.conn)
	return nil
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// exchange sends one request and reads its answer, which must have a
// Content-Length or no body. A server may answer and close before it has read
// everything. So an error while sending does not count if there is an answer.
func (c *client) exchange(request Request) (status int, keepAlive bool, err error) {
	if err := c.conn.SetDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return 0, false, err
	}
	c.buffers = [2][]byte{request.head, request.body}
	buffers := net.Buffers(c.buffers[:])
	_, writeErr := buffers.WriteTo(c.conn)
	status, keepAlive, err = c.readAnswer()
	return status, keepAlive && writeErr == nil, err
}

func (c *client) readAnswer() (status int, keepAlive bool, err error) {
	line, err := c.reader.ReadSlice('\n')
	if err != nil {
		return 0, false, err
	}
	fields := bytes.Fields(line)
	if len(fields) < 2 {
		return 0, false, fmt.Errorf("malformed status line %q", line)
	}
	if status, err = strconv.Atoi(string(fields[1])); err != nil {
		return 0, false, err
	}
	length := 0
	keepAlive = true
	for {
		line, err := c.reader.ReadSlice('\n')
		if err != nil {
			return 0, false, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, false, err
			}
		} else if string(line) == "Connection: close" {
			keepAlive = false
		}
	}
	_, err = c.reader.Discard(length)
	return status, keepAlive, err
}
