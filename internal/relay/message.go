// Package relay hands deliveries to listeners over WebSocket, and receives them from
// there. It speaks version 1 of the protocol of "svix listen", so that each end also
// works with the other end of Svix.
//
// A listener connects and sends a start message with its token. The relay answers
// with a start message. Then the relay sends an event message for each delivery, and
// the listener sends an event message with the same id for each answer.
package relay

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"unicode/utf8"
)

// Version is the version of the protocol.
const Version = 1

// Path is where a relay listens that has a host name of its own, as Svix's has.
const Path = "/api/v1/listen/"

// The types of messages.
const (
	typeStart = "start"
	typeEvent = "event"
)

// message is what both ends send, as JSON in a text or a binary frame.
type message[T any] struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	Data    T      `json:"data"`
}

// Start is the first message of a listener. Relays of Svix ignore the wishes in it.
type Start struct {
	Token string `json:"token"`
	Wishes
}

// Wishes say which deliveries a listener wants. The zero value means every one from
// now on.
type Wishes struct {
	// Events are patterns of event types. Default: every event.
	Events []string `json:"events,omitempty"`

	// Match has values that the payload must have, by their paths in it, such as
	// "data.id". Default: none.
	Match map[string]string `json:"match,omitempty"`

	// Since asks for the recorded deliveries of so many seconds, before the new
	// ones come. Default: 0, for none.
	Since int64 `json:"since,omitempty"`
}

// Request is a delivery on its way to a listener.
type Request struct {
	ID      string  `json:"id"`
	Method  string  `json:"method"`
	Headers Headers `json:"headers"`
	Body    []byte  `json:"body"` // base64 in JSON
}

// Answer is what the listener's backend said to a delivery.
type Answer struct {
	ID      string  `json:"id"`
	Status  int     `json:"status"`
	Headers Headers `json:"headers"`
	Body    []byte  `json:"body"` // base64 in JSON
}

// check returns an error for an answer that a sender could not accept.
func (a *Answer) check() error {
	if a.Status < 200 || a.Status > 599 {
		return errors.New("its answer has no status from 200 to 599")
	}
	size := 0
	for name, value := range a.Headers {
		size += len(name) + len(value) + len(": \r\n")
	}
	if size > maxHeaders {
		return errors.New("its answer has more than 64 KiB of headers")
	}
	return nil
}

// Headers are those of a request or an answer. The protocol has one value for each
// name.
type Headers map[string]string

// maxHeadersJSON bounds Headers in a message, in bytes. JSON can write a byte as six,
// such as \u003c.
const maxHeadersJSON = 6 * maxHeaders

// UnmarshalJSON refuses many headers before they are in the map, where they take much
// more memory than in the message.
func (h *Headers) UnmarshalJSON(raw []byte) error {
	if len(raw) > maxHeadersJSON {
		return errors.New("more than 64 KiB of headers")
	}
	return json.Unmarshal(raw, (*map[string]string)(h))
}

// connectionHeaders concern one connection, so they do not pass a relay. The length
// and the coding are those of the body that the next connection carries.
var connectionHeaders = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true,
	"Expect": true, "Host": true, "Proxy-Authenticate": true, "Proxy-Authorization": true,
}

// HeadersOf returns the headers that pass a relay. Several values of one name become
// one, separated by commas. Bytes that are no UTF-8 are read as Latin-1, because JSON
// cannot hold them.
func HeadersOf(header http.Header) Headers {
	headers := make(Headers, len(header))
	for name, values := range header {
		if !connectionHeaders[name] {
			headers[strings.ToLower(name)] = validText(strings.Join(values, ", "))
		}
	}
	return headers
}

func validText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	runes := make([]rune, len(text))
	for i := range len(text) {
		runes[i] = rune(text[i])
	}
	return string(runes)
}

// AddTo adds the headers that pass a relay to header. Those that HTTP does not allow
// are left out.
func (h Headers) AddTo(header http.Header) {
	for name, value := range h {
		canonical := http.CanonicalHeaderKey(name)
		if !connectionHeaders[canonical] && validName(name) && validValue(value) {
			header[canonical] = []string{value}
		}
	}
}

func validName(name string) bool {
	return name != "" && strings.Trim(strings.ToLower(name), "abcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~") == ""
}

func validValue(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f })
}

func encode(kind string, data any) ([]byte, error) {
	return json.Marshal(message[any]{kind, Version, data})
}

var errProtocol = errors.New("the other end does not speak version 1 of the relay's protocol")

// decode reads a message of the given kind into data.
func decode(frame []byte, kind string, data any) error {
	var m message[json.RawMessage]
	if err := json.Unmarshal(frame, &m); err != nil {
		return fmt.Errorf("%w: it sent no JSON message", errProtocol)
	}
	if m.Type != kind || m.Version != Version {
		return fmt.Errorf("%w: it sent no %s message of that version", errProtocol, kind)
	}
	if err := json.Unmarshal(m.Data, data); err != nil {
		return fmt.Errorf("%w: its %s message has other data, or more than 64 KiB of headers", errProtocol, kind)
	}
	return nil
}
