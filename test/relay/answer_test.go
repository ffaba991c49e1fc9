package relay_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestAnswersThatAreNone sends answers that no listener of ours sends.
func TestAnswersThatAreNone(t *testing.T) {
	large := strings.Repeat("a", 100<<10)
	tests := map[string]struct {
		answer string // %s is the id of the delivery
		status int    // that the sender gets
		leaves bool   // whether the relay closes the connection
	}{
		"status 0":            {`{"id":"%s","status":0}`, http.StatusBadGateway, false},
		"no status":           {`{"id":"%s"}`, http.StatusBadGateway, false},
		"status 99999":        {`{"id":"%s","status":99999}`, http.StatusBadGateway, false},
		"a negative status":   {`{"id":"%s","status":-200}`, http.StatusBadGateway, false},
		"status 101":          {`{"id":"%s","status":101}`, http.StatusBadGateway, false},
		"large headers":       {`{"id":"%s","status":200,"headers":{"x-large":"` + large + `"}}`, http.StatusBadGateway, false},
		"many headers":        {`{"id":"%s","status":200,"headers":{` + manyHeaders(10_000) + `"a":"b"}}`, http.StatusBadGateway, false},
		"a status as text":    {`{"id":"%s","status":"200"}`, http.StatusBadGateway, true},
		"headers as a list":   {`{"id":"%s","status":200,"headers":["a"]}`, http.StatusBadGateway, true},
		"several values":      {`{"id":"%s","status":200,"headers":{"a":["b"]}}`, http.StatusBadGateway, true},
		"no base64":           {`{"id":"%s","status":200,"body":"{}"}`, http.StatusBadGateway, true},
		"no JSON":             {`%s`, http.StatusBadGateway, true},
		"too deep":            {`{"id":"%s","status":200,"more":` + strings.Repeat("[", 20_000) + `}`, http.StatusBadGateway, true},
		"a larger message":    {`{"id":"%s","status":200,"body":"` + strings.Repeat("a", 2<<20) + `"}`, http.StatusBadGateway, true},
		"no body":             {`{"id":"%s","status":200,"body":null}`, http.StatusOK, false},
		"no headers":          {`{"id":"%s","status":200,"headers":null}`, http.StatusOK, false},
		"a body without room": {`{"id":"%s","status":204,"body":"aGk="}`, http.StatusNoContent, false},
	}
	url := run(t, "relay")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			w := listen(t, url, testcaddy.Secret, "")
			answers := deliver(t, url, testcaddy.UserCreated)
			frame := `{"type":"event","version":1,"data":` + fmt.Sprintf(test.answer, w.receive(t).Data.ID) + `}`
			_ = w.Write(t.Context(), websocket.MessageText, []byte(frame)) // the relay may close before all is sent
			if got := <-answers; got.StatusCode != test.status {
				t.Errorf("the sender got %d: %s", got.StatusCode, got.Text)
			}
			if test.leaves {
				if closed := w.closed(t); closed.Code != websocket.StatusUnsupportedData && closed.Code != websocket.StatusMessageTooBig {
					t.Errorf("the connection ended with %v", closed)
				}
				return
			}
			w.wantAnotherAnswered(t, url)
			_ = w.CloseNow()
		})
	}
}

func manyHeaders(count int) string {
	var text strings.Builder
	for n := range count {
		fmt.Fprintf(&text, `"x-%d":"",`, n)
	}
	return text.String()
}

// wantAnotherAnswered fails the test if the listener is not at work any more.
func (w wire) wantAnotherAnswered(t *testing.T, url string) {
	t.Helper()
	answers := deliver(t, url, userDeleted)
	w.answer(t, w.receive(t), http.StatusAccepted, "")
	if got := <-answers; got.StatusCode != http.StatusAccepted {
		t.Errorf("the sender of the next delivery got %d", got.StatusCode)
	}
}

func TestHeadersOfAnAnswerCannotBreakIt(t *testing.T) {
	url := run(t, "relay")
	w := listen(t, url, testcaddy.Secret, "")
	for _, headers := range []string{
		`"x-a":"b\r\nX-Evil: 1"`,
		`"x-a\r\nx-evil":"1"`,
		`"x-a\u0000":"1"`,
		`"Transfer-Encoding":"chunked"`,
		`"transfer-encoding":"gzip, chunked"`,
		`"Content-Length":"1000"`,
		`"content-length":"-1"`,
		`"Connection":"close, x-backend"`,
		`"Upgrade":"websocket"`,
		`"Trailer":"X-Evil"`,
		`"Trailer:X-Evil":"1"`,
	} {
		t.Run(headers, func(t *testing.T) {
			answers := deliver(t, url, testcaddy.UserCreated)
			w.send(t, `{"type":"event","version":1,"data":{"id":"`+w.receive(t).Data.ID+`","status":200,"headers":{"x-backend":"mine",`+headers+`},"body":"aGk="}}`)
			got := <-answers
			if got.StatusCode != 200 || got.Text != "hi" || got.Header.Get("X-Backend") != "mine" || got.ContentLength != 2 {
				t.Errorf("the sender got %d %q %v", got.StatusCode, got.Text, got.Header)
			}
			for _, name := range []string{"X-Evil", "X-A", "Transfer-Encoding", "Upgrade", "Trailer"} {
				if value, exists := got.Header[name]; exists {
					t.Errorf("the sender got %s: %q", name, value)
				}
			}
			if len(got.Trailer) > 0 || len(got.TransferEncoding) > 0 {
				t.Errorf("the sender got the trailer %v and the coding %v", got.Trailer, got.TransferEncoding)
			}
		})
	}
}

// TestAListenerAnswersItsOwnDeliveriesOnly has a listener that answers what another one
// has got, and what nobody has.
func TestAListenerAnswersItsOwnDeliveriesOnly(t *testing.T) {
	url := run(t, "relay")
	mine := listen(t, url, testcaddy.Secret, "")
	other := listen(t, url, testcaddy.Secret, `,"match":{"type":"none"}`)
	answers := deliver(t, url, testcaddy.UserCreated)
	f := mine.receive(t)
	for _, id := range []string{f.Data.ID, "", "0", "unknown", strings.Repeat("9", 1000)} {
		foreign := frame{}
		foreign.Data.ID = id
		other.answer(t, foreign, 418, "")
	}
	other.settle(t)
	mine.answer(t, f, 500, "")
	if got := <-answers; got.StatusCode != 500 {
		t.Errorf("the sender got %d", got.StatusCode)
	}
}

// TestTheSecondAnswerIsTooLate answers a delivery twice.
func TestTheSecondAnswerIsTooLate(t *testing.T) {
	url := run(t, "relay")
	first, second := listen(t, url, testcaddy.Secret, ""), listen(t, url, testcaddy.Secret, "")
	answers := deliver(t, url, testcaddy.UserCreated)
	f := first.receive(t)
	second.receive(t)
	first.answer(t, f, 500, "")
	first.answer(t, f, 200, "")
	first.settle(t)
	_ = second.CloseNow()
	if got := <-answers; got.StatusCode != 500 {
		t.Errorf("the sender got %d", got.StatusCode)
	}
}
