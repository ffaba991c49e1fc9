package command

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// shownPath is how many characters of a path are printed.
const shownPath = 100

// echo is a backend that accepts everything. It prints the requests that the guard does
// not see.
type echo struct {
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
	switch r.Header.Get(outcomeHeader) {
	case "":
		fmt.Fprintf(e.out, "%s  not guarded: %s\n", e.colours.dim(clock(time.Now())), printable(r.Method+" "+r.URL.Path, shownPath))
		fmt.Fprintln(w, "not guarded")
	case "rejected":
		fmt.Fprintln(w, "not genuine")
	default:
		fmt.Fprintln(w, "received")
	}
}
