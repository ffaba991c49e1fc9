package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const (
	// shownValue is how many characters of a value are printed.
	shownValue = 100

	// echoedBody is how much of a body is read. Guards accept no more by default.
	echoedBody = 1 << 20
)

// mainFields lists the values of a payload's data to print.
var mainFields = []struct{ label, path string }{
	{"id", "id"},
	{"name", "name"},
	{"first_name", "first_name"},
	{"last_name", "last_name"},
	{"username", "username"},
	{"email_address", "email_addresses.0.email_address"},
	{"email_address", "email_address"},
	{"to", "to_email_address"},
	{"to", "to_phone_number"},
	{"subject", "subject"},
	{"slug", "slug"},
	{"key", "key"},
	{"status", "status"},
	{"plan", "plan.name"},
	{"organization", "organization.name"},
	{"organization", "organization_id"},
	{"member", "public_user_data.identifier"},
	{"role", "role"},
	{"user_id", "user_id"},
	{"deleted", "deleted"},
}

// echo is a backend that prints the events it gets.
type echo struct {
	mu      sync.Mutex
	out     io.Writer
	colours palette
}

// startEcho serves the backend on a free port of this machine and returns its
// address. It ends with the process.
func startEcho(out io.Writer) (address string, err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler:           &echo{out: out, colours: paletteFor(out)},
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() { _ = server.Serve(listener) }() // until the process ends
	return listener.Addr().String(), nil
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, echoedBody))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	outcome := r.Header.Get(outcomeHeader)
	switch outcome {
	case "":
		e.printLine(r.Method+" "+r.URL.Path, "not guarded")
		fmt.Fprintln(w, "not guarded")
	case "rejected":
		e.printLine(r.Method+" "+r.URL.Path, e.colours.bad("not genuine: "+printable(r.Header.Get(reasonHeader), shownValue)))
		fmt.Fprintln(w, "not genuine")
	default:
		e.printEvent(r, body)
		fmt.Fprintln(w, "received")
	}
}

func (e *echo) printEvent(r *http.Request, body []byte) {
	eventType := string(event.TypeOf(body))
	if eventType == "" {
		eventType = "(no type)"
	}
	verified := e.colours.good("verified with secret " + printable(r.Header.Get(secretHeader), shownValue))
	e.printLine(eventType, verified)
	fmt.Fprintf(e.out, "  %-14s %s\n", "svix-id", printable(r.Header.Get("Svix-Id"), shownValue))
	for _, field := range mainFields {
		value := gjson.GetBytes(body, "data."+field.path)
		if value.Exists() && value.Type != gjson.Null && !value.IsObject() && !value.IsArray() && value.String() != "" {
			fmt.Fprintf(e.out, "  %-14s %s\n", field.label, printable(value.String(), shownValue))
		}
	}
}

func (e *echo) printLine(what, found string) {
	fmt.Fprintf(e.out, "%s %s  %s\n", e.colours.dim(time.Now().Format("15:04:05")), e.colours.bold(printable(what, shownValue)), found)
}
