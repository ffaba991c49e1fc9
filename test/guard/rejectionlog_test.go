package guard_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const (
	rejectionDetail  = "delivery rejected"
	rejectionSummary = "deliveries rejected"
)

// entriesOf returns the entries of the log whose endpoint is the given one.
func entriesOf(t testing.TB, msg, endpoint string) []map[string]any {
	t.Helper()
	var own []map[string]any
	for _, entry := range testcaddy.Log.Entries(t, msg) {
		if entry["endpoint"] == endpoint {
			own = append(own, entry)
		}
	}
	return own
}

func TestEachRejectionIsLoggedAtDebug(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*http.Request)
		want   string // reason, id, error
	}{
		{"method", func(r *http.Request) { r.Method = http.MethodPut }, "method_not_allowed <nil> only POST is a delivery"},
		{"missing header", func(r *http.Request) { r.Header.Del("Svix-Timestamp") }, "missing_header <nil> svix-timestamp is missing or empty"},
		{"malformed header", func(r *http.Request) { r.Header.Set("Svix-Timestamp", "0x10") }, "malformed_header <nil> svix-timestamp is not a plain number of seconds since 1970"},
		{"age", func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") }, "timestamp_too_old msg_1 the timestamp is older than the tolerance allows"},
		{"time to come", func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") }, "timestamp_too_new msg_1 the timestamp is further in the future than the tolerance allows"},
		{"size", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("x", 101))), 101
		}, "body_too_large msg_1 Content-Length is 101 bytes, and max_body is 100"},
		{"signature", func(r *http.Request) { r.Header.Set("Svix-Signature", "v1,AAAA") }, "signature_mismatch msg_1 the signature does not match this id, timestamp and body with any configured secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, guarded(address, "name each\nmax_body 100B\nsecret "+testcaddy.Secret))
			for range 3 {
				r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated)
				test.change(r)
				testcaddy.Send(t, testcaddy.NewConnections, r)
			}
			entries := entriesOf(t, rejectionDetail, "each")
			if len(entries) != 3 {
				t.Fatalf("got %d lines for 3 rejections", len(entries))
			}
			for _, entry := range entries {
				if got := fmt.Sprintf("%v %v %v", entry["reason"], entry["id"], entry["error"]); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if entry["level"] != "debug" || !strings.HasPrefix(fmt.Sprint(entry["remote_addr"]), "127.0.0.1:") {
					t.Errorf("got the line %v", entry)
				}
			}
		})
	}
}

// With report_only nothing is rejected, and the log does not say so.
func TestReportOnlyLogsThatItLetThrough(t *testing.T) {
	const (
		detail  = "delivery let through that would be rejected without report_only"
		summary = "deliveries let through that would be rejected without report_only"
	)
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, guarded(address, "name watched\nreport_only\nsecret "+testcaddy.Secret))
	for range 3 {
		checkAnswer(t, address, testcaddy.OtherSecret, 200, "rejected by ")
	}
	checkAnswer(t, address, testcaddy.Secret, 200, "forwarded by 1")
	for _, entry := range entriesOf(t, detail, "watched") {
		if entry["level"] != "debug" || entry["reason"] != "signature_mismatch" || entry["id"] != "msg_1" {
			t.Errorf("got the line %v", entry)
		}
	}
	if err := caddy.Stop(); err != nil { // which writes the last summary
		t.Fatal(err)
	}
	counts := 0.0
	for _, entry := range entriesOf(t, summary, "watched") {
		count, _ := entry["count"].(float64)
		counts += count
		if entry["level"] != "warn" || entry["reason"] != "signature_mismatch" {
			t.Errorf("got the summary %v", entry)
		}
	}
	if details := len(entriesOf(t, detail, "watched")); details != 3 || counts != 3 {
		t.Errorf("got %d lines and a sum of %v for 3 deliveries", details, counts)
	}
	for _, message := range []string{rejectionDetail, rejectionSummary} {
		if entries := entriesOf(t, message, "watched"); len(entries) != 0 {
			t.Errorf("got %v", entries)
		}
	}
}

// Several directives and options can limit a body. The log names the one that did.
func TestLogNamesTheLimitOfABody(t *testing.T) {
	long := strings.Repeat("x", 3000)
	for _, test := range []struct {
		name, options, directives, server string
		body                              io.Reader
		length                            int64
		want                              string
	}{
		{"max_body, announced", "max_body 1KiB", "", "", strings.NewReader(long), 3000, `Content-Length is 3000 bytes, and max_body is 1024`},
		{"max_body, not announced", "max_body 1KiB", "", "", strings.NewReader(long), -1, `\d{4} bytes of the body had come when the guard stopped reading, and max_body is 1024`},
		{"request_body in front", "max_body 2KiB", "request_body {\nmax_size 1KiB\n}", "", strings.NewReader(long), -1, `the body is larger than request_body or another directive in front of the guard allows: its limit is 1024 bytes`},
		{"body_timeout", "body_timeout 200ms", "", "", endless{strings.NewReader("x"), t.Context().Done()}, 100, "the body did not arrive within body_timeout"},
		{"read_body", "body_timeout 1m", "", "timeouts {\nread_body 200ms\n}", endless{strings.NewReader("x"), t.Context().Done()}, 100, "the server's timeouts read_body or read_body_idle ended the body before body_timeout did"},
	} {
		t.Run(test.name, func(t *testing.T) {
			endpoint := testcaddy.NewEndpoint()
			site := testcaddy.RunSite(t, test.directives+"\nclerk_webhook {\nname "+endpoint+"\nsecret "+testcaddy.Secret+"\n"+test.options+"\n}\nrespond 200", test.server)
			r := testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.Secret, "")
			r.GetBody, r.Body, r.ContentLength = nil, io.NopCloser(test.body), test.length
			testcaddy.Send(t, site.Clients[0].Client, r)
			entries := entriesOf(t, rejectionDetail, endpoint)
			if len(entries) != 1 || !regexp.MustCompile("^"+test.want+"$").MatchString(fmt.Sprint(entries[0]["error"])) {
				t.Errorf("got the lines %v", entries)
			}
		})
	}
}

func TestDeliveriesAreLoggedAtDebugOnly(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, guarded(address, "name fine\nsecret main "+testcaddy.Secret+"\nevents user.*"))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, sessionEnded))
	var got []string
	for _, e := range entriesOf(t, "delivery verified", "fine") {
		got = append(got, fmt.Sprintf("%v %v %v %v %v", e["level"], e["outcome"], e["id"], e["type"], e["secret"]))
	}
	want := "debug forwarded msg_1 user.created main; debug filtered msg_1 session.ended main"
	if strings.Join(got, "; ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if summaries := entriesOf(t, rejectionSummary, "fine"); len(summaries) != 0 {
		t.Errorf("got the summaries %v", summaries)
	}
}

// TestRejectionsAreSummarized sends forgeries through reloads and two guards
// of one name: the first is told at once, the others when the minute is over
// or, here, when the last guard goes.
func TestRejectionsAreSummarized(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	config := "http://" + address + " {\nclerk_webhook /a {\nname summed\nsecret " + testcaddy.Secret + "\n}\nclerk_webhook /b {\nname summed\nsecret " + testcaddy.Secret + "\n}\n}"
	forge := func(id, path string) {
		r := testcaddy.SignedRequest(t, "http://"+address+path, testcaddy.OtherSecret, testcaddy.UserCreated)
		r.Header.Set("Svix-Id", id)
		testcaddy.Send(t, testcaddy.NewConnections, r)
	}
	testcaddy.Run(t, config)
	forge("msg_1", "/a")
	entries := entriesOf(t, rejectionSummary, "summed")
	if len(entries) != 1 || entries[0]["level"] != "warn" || entries[0]["count"] != 1.0 || entries[0]["reason"] != "signature_mismatch" {
		t.Fatalf("got the summaries %v after the first forgery", entries)
	}
	latest, _ := entries[0]["latest"].(map[string]any)
	if age, isNumber := latest["age"].(float64); latest["id"] != "msg_1" || !isNumber || age < 0 || age > 60 ||
		!strings.HasPrefix(fmt.Sprint(latest["remote_addr"]), "127.0.0.1:") {
		t.Errorf("the latest example is %v", latest)
	}

	testcaddy.Reload(t, config)
	forge("msg_2", "/a")
	forge("msg_3", "/b")
	testcaddy.Reload(t, config)
	forge("msg_4", "/b")
	if entries := entriesOf(t, rejectionSummary, "summed"); len(entries) != 0 {
		t.Errorf("got more summaries within a minute: %v", entries)
	}
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	entries = entriesOf(t, rejectionSummary, "summed")
	if len(entries) != 1 || entries[0]["count"] != 3.0 || entries[0]["latest"].(map[string]any)["id"] != "msg_4" {
		t.Errorf("got the summaries %v at the end", entries)
	}
}

// TestLogHoldsNothingThatStrangersChoose sends values that are made to spoil a
// log. What does not have the form of an id never gets there, and what has is
// quoted and at most 256 bytes long.
func TestLogHoldsNothingThatStrangersChoose(t *testing.T) {
	for _, test := range []struct{ name, id, want string }{
		{"tabs", "msg_\t1", "<nil>"},
		{"spaces", "msg_1 level=error", "<nil>"},
		{"bytes outside ASCII", "msg_\xff\xc3", "<nil>"},
		{"too long", strings.Repeat("i", 257), "<nil>"},
		{"as long as may be", strings.Repeat("i", 256), strings.Repeat("i", 256)},
		{"quotation marks and braces", `"},"msg":"{env}<script>\n`, `"},"msg":"{env}<script>\n`},
	} {
		t.Run(test.name, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, guarded(address, "name strangers\nsecret "+testcaddy.Secret))
			raw := "POST / HTTP/1.1\r\nHost: " + address + "\r\nConnection: close\r\nContent-Length: 0\r\n" +
				"Svix-Id: " + test.id + "\r\nSvix-Timestamp: 1654012591\r\nSvix-Signature: v1,AAAA\r\n\r\n"
			answerTo(t, address, raw)
			own := entriesOf(t, rejectionDetail, "strangers")
			if len(own) != 1 || fmt.Sprint(own[0]["id"]) != test.want {
				t.Errorf("got the lines %v", own)
			}
		})
	}
}

// answerTo sends what stands in raw over a connection of its own.
func answerTo(t testing.TB, address, raw string) string {
	t.Helper()
	connection, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	if _, err := io.WriteString(connection, raw); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// TestLogHoldsNoSecretSignatureOrBody lets a guard do everything that it logs.
func TestLogHoldsNoSecretSignatureOrBody(t *testing.T) {
	t.Setenv("CLERK_TEST_SECRET", testcaddy.Secret)
	const private = "private-4711"
	body := `{"data":{"id":"` + private + `"},"type":"user.created"}`
	for _, mode := range []string{"", "report_only", "events organization.*"} {
		t.Run("guard with "+mode, func(t *testing.T) {
			address := testcaddy.FreeAddress(t)
			testcaddy.Run(t, guarded(address, "name silent\nmax_body 1KiB\nsecret a {env.CLERK_TEST_SECRET}\nsecret b {env.CLERK_TEST_SECRET}\n"+mode))
			var signatures []string
			for _, change := range []func(*http.Request){
				func(*http.Request) {},
				func(r *http.Request) { r.Method = http.MethodPut },
				func(r *http.Request) { r.Header.Del("Svix-Id") },
				func(r *http.Request) { r.Header.Set("Svix-Timestamp", "x") },
				func(r *http.Request) { r.Header.Set("Svix-Timestamp", "1654012591") },
				func(r *http.Request) { r.Header.Set("Svix-Timestamp", "9654012591") },
				func(r *http.Request) { r.Header.Set("Svix-Id", "msg_2") },
				func(r *http.Request) {
					large := strings.Repeat(private, 100)
					r.Body, r.ContentLength = io.NopCloser(strings.NewReader(large)), int64(len(large))
				},
			} {
				r := testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, body)
				change(r)
				signatures = append(signatures, strings.TrimPrefix(r.Header.Get("Svix-Signature"), "v1,"))
				testcaddy.Send(t, testcaddy.NewConnections, r)
			}
			if err := caddy.Stop(); err != nil { // which writes the last summaries
				t.Fatal(err)
			}
			lines := 0
			for line := range strings.Lines(testcaddy.Log.String()) {
				if !strings.Contains(line, `"logger":"http.handlers.clerk_webhook`) {
					continue // Caddy logs the headers of failed requests at debug level
				}
				lines++
				expectNoKey(t, line)
				for _, hidden := range append(signatures, private) {
					if strings.Contains(line, hidden) {
						t.Errorf("the line %s holds %s", line, hidden)
					}
				}
			}
			if lines < 10 {
				t.Errorf("the guard has written only %d lines", lines)
			}
		})
	}
}

// endless is a body of which only the beginning ever comes.
type endless struct {
	io.Reader
	end <-chan struct{}
}

func (e endless) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		<-e.end
		return n, io.ErrUnexpectedEOF
	}
	return n, err
}

// Behind a proxy that is trusted, the line names the sender and not the proxy.
func TestRejectionNamesTheClientBehindATrustedProxy(t *testing.T) {
	site := testcaddy.RunSite(t, "clerk_webhook {\nname client\nsecret "+testcaddy.Secret+"\n}", "trusted_proxies static 127.0.0.1/32")
	r := testcaddy.SignedRequest(t, site.Clients[0].URL, testcaddy.OtherSecret, testcaddy.UserCreated)
	r.Header.Set("X-Forwarded-For", "203.0.113.7")
	testcaddy.Send(t, site.Clients[0].Client, r)
	for _, entry := range entriesOf(t, rejectionDetail, "client") {
		if entry["client_ip"] != "203.0.113.7" {
			t.Errorf("got the line %v", entry)
		}
	}
	summaries := entriesOf(t, rejectionSummary, "client")
	if len(summaries) != 1 {
		t.Fatalf("got %d summaries", len(summaries))
	}
	if latest, _ := summaries[0]["latest"].(map[string]any); latest["client_ip"] != "203.0.113.7" {
		t.Errorf("the latest example is %v", latest)
	}
}
