package inspector_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestExports(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	body := `{"type":"user.created","data":"it's $(touch /tmp/no) ` + "`id`" + ` & <script>"}`
	d.deliver(t, message{body: body, header: http.Header{"X-Quote": {"it's; $HOME"}, "Authorization": {"Bearer x"}}})
	first := d.last(t)

	t.Run("curl sends the same request", func(t *testing.T) {
		command := d.callText(t, http.MethodGet, "api/entries/"+first.ID+"/curl", nil, http.StatusOK)
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		again := d.last(t)
		if again.ID == first.ID || again.Outcome != "forwarded" || again.Request.Body.Text != body || fieldOf(again.Request.Headers, "X-Quote").Value != "it's; $HOME" {
			t.Errorf("%s, %+v", again.Outcome, again.Request)
		}
		if fieldOf(again.Request.Headers, "Authorization").Name != "" {
			t.Error("a redacted header was sent")
		}
	})
	t.Run("curl sends bytes that are no text", func(t *testing.T) {
		d.deliver(t, message{body: "\x00\xff'"})
		binary := d.last(t)
		command := d.callText(t, http.MethodGet, "api/entries/"+binary.ID+"/curl", nil, http.StatusOK)
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again := d.last(t); again.ID == binary.ID || again.Outcome != "forwarded" {
			t.Errorf("%+v", again)
		}
	})
	t.Run("a file is what the command reads", func(t *testing.T) {
		testcaddy.InstallCaddy(t)
		d.deliver(t, message{body: "{\"type\":\"user.created\"}\r\n\x00\xff", header: http.Header{"Authorization": {"Bearer sesame"}}})
		saved := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/http", nil, http.StatusOK)
		if err := os.WriteFile("saved.http", []byte(saved), 0o600); err != nil {
			t.Fatal(err)
		}
		if output, code := testcaddy.RunLine(t, "caddy clerk-webhook verify --request saved.http"); code != 0 {
			t.Errorf("exit code %d: %s of %q", code, output, saved)
		}
		if r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(saved))); err != nil || "http://"+r.Host+r.RequestURI != d.last(t).URL {
			t.Errorf("%v: %q", err, saved)
		}
	})
	t.Run("curl adds no header, and cuts off nothing", func(t *testing.T) {
		timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_bare", time.Now(), body)
		exchangeRaw(t, "tcp", d.hooks, fmt.Sprintf("POST %s?a=b#c HTTP/1.1\r\nHost: %s\r\nSvix-Id: msg_bare\r\nSvix-Timestamp: %s\r\nSvix-Signature: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", hookPath, d.hooks, timestamp, signature, len(body), body))
		bare := d.last(t)
		command := d.callText(t, http.MethodGet, "api/entries/"+bare.ID+"/curl", nil, http.StatusOK)
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again := d.last(t); again.ID == bare.ID || again.URL != bare.URL || !slices.Equal(again.Request.Headers, bare.Request.Headers) {
			t.Errorf("%s with %v became %s with %v", bare.URL, bare.Request.Headers, again.URL, again.Request.Headers)
		}
	})
	t.Run("a file of what came in chunks announces its length", func(t *testing.T) {
		timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_chunks", time.Now(), body)
		exchangeRaw(t, "tcp", d.hooks, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nSvix-Id: msg_chunks\r\nSvix-Timestamp: %s\r\nSvix-Signature: %s\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", hookPath, d.hooks, timestamp, signature, len(body), body))
		saved := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/http", nil, http.StatusOK)
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(saved)))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r.Body); err != nil || string(got) != body {
			t.Errorf("%v: %q", err, got)
		}
	})
	t.Run("HAR", func(t *testing.T) {
		var har struct {
			Log struct {
				Version string
				Entries []struct {
					StartedDateTime time.Time
					Request         struct {
						Method, URL string
						PostData    struct{ MimeType, Text string }
					}
					Response struct {
						Status  int
						Content struct{ Text string }
					}
					Delivery entry `json:"_delivery"`
				}
			}
		}
		d.call(t, http.MethodGet, "api/har?id="+first.ID, nil, http.StatusOK, &har)
		if har.Log.Version != "1.2" || len(har.Log.Entries) != 1 {
			t.Fatalf("%+v", har)
		}
		e := har.Log.Entries[0]
		if e.Request.Method != "POST" || e.Request.URL != first.URL || e.Request.PostData.Text != body || e.Response.Status != 200 || e.Response.Content.Text != "ok" || e.Delivery.ID != first.ID || e.StartedDateTime.IsZero() {
			t.Errorf("%+v", e)
		}
	})
	t.Run("no credentials", func(t *testing.T) {
		d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{"Authorization": {"Bearer sesame"}, "Cookie": {"a=sesame"}, "Proxy-Authorization": {"sesame"}}})
		id := d.last(t).ID
		for _, path := range []string{"api/entries", "api/entries/" + id, "api/entries/" + id + "/curl", "api/entries/" + id + "/har", "api/entries/" + id + "/http", "api/har"} {
			if text := d.callText(t, http.MethodGet, path, nil, http.StatusOK); strings.Contains(text, "sesame") {
				t.Errorf("%s tells them", path)
			}
		}
		if found := d.list(t, "text=sesame"); len(found) > 0 {
			t.Errorf("they are found in %s", found[0].ID)
		}
	})
	t.Run("curl sends a body that is too long for an argument", func(t *testing.T) {
		body := `{"type":"user.created","data":"` + strings.Repeat("it's ", 40_000) + `"}`
		d.deliver(t, message{body: body})
		command := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/curl", nil, http.StatusOK)
		cmd := exec.CommandContext(t.Context(), "sh")
		cmd.Stdin = strings.NewReader(command)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again := d.last(t); again.Outcome != "forwarded" || again.Request.Body.Text != body {
			t.Errorf("%s, %d bytes", again.Outcome, again.Request.Body.Size)
		}
	})
	t.Run("a command looks like what it is in a header", func(t *testing.T) {
		hidden := "\u009b2J \u202e $(touch no) `id` \" \u2066"
		d.deliver(t, message{body: testcaddy.UserCreated, header: http.Header{"X-Hidden": {hidden}}})
		command := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/curl", nil, http.StatusOK)
		if strings.ContainsAny(command, "\u009b\u202e\u2066") {
			t.Errorf("it has what a terminal obeys: %q", command)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if got := fieldOf(d.last(t).Request.Headers, "X-Hidden").Value; got != hidden {
			t.Errorf("it sent %q", got)
		}
	})
	t.Run("a command looks like what it is in a URL", func(t *testing.T) {
		exchangeRaw(t, "tcp", d.hooks, "GET "+hookPath+"?a=\u009b2J\u202e HTTP/1.1\r\nHost: "+d.hooks+"\r\nConnection: close\r\n\r\n")
		command := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/curl", nil, http.StatusOK)
		if strings.ContainsAny(command, "\u009b\u202e") {
			t.Errorf("it has what a terminal obeys: %q", command)
		}
	})
	t.Run("a command looks like what it is", func(t *testing.T) {
		body := "{\"type\":\"user.created\",\"data\":\"\u009b2J \u202e \u2066\"}"
		d.deliver(t, message{body: body})
		command := d.callText(t, http.MethodGet, "api/entries/"+d.last(t).ID+"/curl", nil, http.StatusOK)
		if strings.ContainsAny(command, "\u009b\u202e\u2066") {
			t.Errorf("it has what a terminal obeys: %q", command)
		}
		if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if again := d.last(t); again.Request.Body.Text != body {
			t.Errorf("it sent %q", again.Request.Body.Text)
		}
	})
}

// HTTP/2 takes spaces in a request target, which nothing else does.
func TestExportsOfATargetWithSpaces(t *testing.T) {
	site := testcaddy.RunSite(t, "handle_path /inspect/* {\nclerk_webhook_inspector\n}\nhandle {\nclerk_webhook {\nsecret "+testcaddy.Secret+"\ninspect\n}\nrespond ok\n}", "")
	d := &desk{inspector: site.Plain + "/inspect", client: site.Clients[0].Client}
	h2c := site.Clients[1]
	r := testcaddy.SignedRequest(t, h2c.URL, testcaddy.Secret, testcaddy.UserCreated)
	r.URL.Path, r.URL.RawQuery = "/hooks", "a=b c"
	testcaddy.Send(t, h2c.Client, r).Check(t, http.StatusOK, "")
	delivered := d.last(t)
	if want := "http://" + site.Plain + "/hooks?a=b%20c"; delivered.URL != want {
		t.Errorf("the URL is %s, want %s", delivered.URL, want)
	}
	saved := d.callText(t, http.MethodGet, "api/entries/"+delivered.ID+"/http", nil, http.StatusOK)
	if again, err := http.ReadRequest(bufio.NewReader(strings.NewReader(saved))); err != nil || again.FormValue("a") != "b c" {
		t.Errorf("the file cannot be read: %v: %q", err, saved)
	}
	command := d.callText(t, http.MethodGet, "api/entries/"+delivered.ID+"/curl", nil, http.StatusOK)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if again := d.last(t); again.ID == delivered.ID || again.URL != delivered.URL {
		t.Errorf("curl sent %s", again.URL)
	}
}
