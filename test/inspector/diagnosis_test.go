package inspector_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

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
