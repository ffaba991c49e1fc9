package inspector_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestInspectExplainsRejections(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	for _, test := range []struct {
		name string
		sent message
		code string
		text string
	}{
		{"another secret", message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret}, "secret_unknown", "signing secret"},
		{"an old one", message{body: testcaddy.UserCreated, age: 372 * time.Second}, "timestamp_too_old", "6m1"},
		{"one from the future", message{body: testcaddy.UserCreated, age: -400 * time.Second}, "timestamp_too_new", "clock"},
		{"one in milliseconds", message{body: testcaddy.UserCreated, header: http.Header{"Svix-Timestamp": {"1773651845123"}}}, "timestamp_format", "milliseconds"},
		{"the last timestamp there can be", message{body: testcaddy.UserCreated, header: http.Header{"Svix-Timestamp": {"999999999999999999"}}}, "timestamp_format", "milliseconds"},
		{"a missing header", message{body: testcaddy.UserCreated, header: http.Header{"Svix-Signature": nil}}, "missing_header", "svix-signature"},
		{"no POST", message{method: http.MethodGet}, "method_not_allowed", "POST"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d.deliver(t, test.sent)
			e := d.last(t)
			if e.Diagnosis == nil || len(e.Diagnosis.Findings) == 0 {
				t.Fatal("there is no diagnosis")
			}
			if f := e.Diagnosis.Findings[0]; f.Code != test.code || f.Proven || !strings.Contains(f.Message, test.text) {
				t.Errorf("%s, proven %v: %s", f.Code, f.Proven, f.Message)
			}
		})
	}
}

func TestInspectProvesThatABodyWasReserialised(t *testing.T) {
	d := openDesk(t, "", "respond ok")
	timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), testcaddy.UserCreated)
	d.deliver(t, message{body: strings.ReplaceAll(testcaddy.UserCreated, ":", ": "), header: http.Header{
		"Svix-Timestamp": {timestamp}, "Svix-Signature": {signature},
	}})
	e := d.last(t)
	if e.Diagnosis == nil || !e.Diagnosis.Verified || e.Diagnosis.Findings[0].Code != "json_spacing" || !e.Diagnosis.Findings[0].Proven {
		t.Errorf("diagnosis %+v", e.Diagnosis)
	}
}

func TestInspectNamesTheEndpointOfASecret(t *testing.T) {
	d := newDesk(t)
	testcaddy.Run(t, fmt.Sprintf(`
http://%s {
	handle /webhooks/* {
		clerk_webhook {
			secret %s
			inspect
		}
		respond ok
	}
	handle /billing {
		clerk_webhook {
			name billing
			secret %s
			inspect
		}
		respond ok
	}
}
http://%s {
	clerk_webhook_inspector
}
`, d.hooks, testcaddy.Secret, testcaddy.OtherSecret, d.inspector))
	d.deliver(t, message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret})
	e := d.last(t)
	const want = `it was signed with the secret "1" of the endpoint "billing", which this endpoint does not accept`
	if found := e.Diagnosis; found == nil || len(found.Findings) != 1 || found.Findings[0].Message != want || found.Secret != "1" {
		t.Errorf("diagnosis %+v, want %s", found, want)
	}
}

func TestInspectProvesThatABodyWasCompressed(t *testing.T) {
	for _, encoding := range []string{"gzip", "zstd"} {
		t.Run(encoding, func(t *testing.T) {
			d := openDesk(t, "", "respond ok")
			timestamp, signature := testcaddy.Sign(t, testcaddy.Secret, "msg_1", time.Now(), testcaddy.UserCreated)
			d.deliver(t, message{body: compressed(t, encoding, testcaddy.UserCreated), header: http.Header{
				"Svix-Timestamp": {timestamp}, "Svix-Signature": {signature}, "Content-Encoding": {encoding},
			}})
			e := d.last(t)
			if e.Status != http.StatusForbidden || e.Diagnosis == nil || !e.Diagnosis.Verified || e.Diagnosis.Findings[0].Code != "body_compressed" || !e.Diagnosis.Findings[0].Proven {
				t.Errorf("status %d, diagnosis %+v", e.Status, e.Diagnosis)
			}
		})
	}
}

func compressed(t testing.TB, encoding, text string) string {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser = gzip.NewWriter(&b)
	if encoding == "zstd" {
		var err error
		if w, err = zstd.NewWriter(&b); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
