//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// request is what all connections of a run send, over and over.
type request struct {
	address string
	bytes   []byte
	status  int // the only one that is expected
}

// newRequest writes down a request once, so that sending it costs no more than
// the system call. Its Content-Length is that of the body unless header has
// another.
func newRequest(method, address string, header http.Header, body []byte, status int) request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s /webhook HTTP/1.1\r\nHost: %s\r\n", method, address)
	_ = header.Write(&b) // a bytes.Buffer takes everything
	if method != http.MethodGet && header.Get("Content-Length") == "" {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return request{address, b.Bytes(), status}
}

// exchangeTimeout bounds one exchange, so that a server that does not answer
// ends the measurement instead of holding it up.
const exchangeTimeout = 30 * time.Second

// load sends the request on so many connections for the given time and returns
// how many answers came, and how many requests were broken off without one.
func load(req request, connections int, duration time.Duration) (answered, lost int, wall time.Duration, err error) {
	var stop atomic.Bool
	timer := time.AfterFunc(duration, func() { stop.Store(true) })
	defer timer.Stop()

	clients := make([]client, connections)
	errs := make([]error, connections)
	begin := time.Now()
	var all sync.WaitGroup
	for i := range clients {
		all.Go(func() { errs[i] = clients[i].run(req, &stop) })
	}
	all.Wait()
	wall = time.Since(begin)
	for _, c := range clients {
		answered += c.answered
		lost += c.lost
	}
	return answered, lost, wall, errors.Join(errs...)
}

// client is one connection, made anew whenever the server closes it. It reads
// answers as sparingly as can be, since it shares the processors with the
// server that it measures.
type client struct {
	conn           net.Conn
	reader         *bufio.Reader
	answered, lost int
}

func (c *client) run(req request, stop *atomic.Bool) error {
	defer c.close()
	for !stop.Load() {
		if err := c.connect(req.address); err != nil {
			return err
		}
		status, keepAlive, err := c.exchange(req.bytes)
		var timeout net.Error
		switch {
		case errors.As(err, &timeout) && timeout.Timeout():
			return err
		case err != nil:
			c.lost++
		case status != req.status:
			return fmt.Errorf("%s answered %d instead of %d", req.address, status, req.status)
		default:
			c.answered++
		}
		if err != nil || !keepAlive {
			c.close()
		}
	}
	return nil
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
	return c.conn.SetDeadline(time.Now().Add(exchangeTimeout))
}

func (c *client) close() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// exchange sends one request and reads its answer, which must have a
// Content-Length or no body. A server may answer and close before it has read
// everything, so an error in sending is none as long as an answer can be read.
func (c *client) exchange(request []byte) (status int, keepAlive bool, err error) {
	_, writeErr := c.conn.Write(request)
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
