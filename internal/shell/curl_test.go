package shell

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestCurlSendsTheRequest(t *testing.T) {
	type request struct {
		method, uri string
		header      http.Header
		body        string
	}
	requests := make(chan request, 1)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		requests <- request{r.Method, r.RequestURI, r.Header, string(body)}
	}))
	defer server.Close()
	file := filepath.Join(t.TempDir(), "the 'body'")
	if err := os.WriteFile(file, []byte("in the file\x00"), 0o600); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		name      string
		curl      Curl
		uri, body string
	}{
		{"short text", Curl{Body: []byte(`it's '$HOME' \ $(date) !! %s`)}, "/", `it's '$HOME' \ $(date) !! %s`},
		{"an @ at the beginning", Curl{Body: []byte("@/etc/hostname")}, "/", "@/etc/hostname"},
		{"line breaks at the end", Curl{Body: []byte("{}\n\n")}, "/", "{}\n\n"},
		{"long text", Curl{Body: []byte(strings.Repeat("x", 300<<10))}, "/", strings.Repeat("x", 300<<10)},
		{"bytes that are not text", Curl{Body: []byte("\x00\xff\x1b[2J")}, "/", "\x00\xff\x1b[2J"},
		{"short text of a file", Curl{Body: []byte("in the command"), File: file}, "/", "in the command"},
		{"bytes of a file", Curl{Body: []byte("in the file\x00"), File: file}, "/", "in the file\x00"},
		{"no body", Curl{Method: http.MethodDelete}, "/", ""},
		{"a URL with patterns and dots", Curl{URL: "/a/../{1,2}[3]"}, "/a/../{1,2}[3]", ""},
		{"another request target", Curl{URL: "/a#b", Target: "/a#b"}, "/a#b", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := test.curl
			c.Silent = true
			c.URL = server.URL + c.URL
			c.Headers = []Header{{"X-Quoted", "it's $HOME"}, {"X-Unprintable", "\u202eü"}, {"X-Empty", ""}}
			c.Without = []string{"User-Agent"}
			if c.Method == "" {
				c.Method = http.MethodPost
			}
			command := c.String()
			if !isPrintable(command) {
				t.Errorf("a terminal does not show all of %q", command)
			}
			sh := exec.CommandContext(t.Context(), "sh")
			sh.Stdin = strings.NewReader(command) // which can be longer than an argument
			if out, err := sh.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s\n%.1000s", err, out, command)
			}
			got := <-requests
			if got.method != c.Method || got.uri != test.uri || got.body != test.body {
				t.Errorf("got %s %s with %.100q", got.method, got.uri, got.body)
			}
			_, hasAgent := got.header["User-Agent"]
			empty, hasEmpty := got.header["X-Empty"]
			if got.header.Get("X-Quoted") != "it's $HOME" || got.header.Get("X-Unprintable") != "\u202eü" || !hasEmpty || empty[0] != "" || hasAgent {
				t.Errorf("got the headers %q", got.header)
			}
		})
	}
}
