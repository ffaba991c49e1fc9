package command

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"testing"
)

func TestSendTrustsOnlyAnInspectorThatKnowsTheDelivery(t *testing.T) {
	endpoint, _ := url.Parse("http://localhost:8080/api/webhooks")
	entries := func(recorded string) string {
		return fmt.Sprintf(`{"entries":[{"id":"run-7","url":%q,"reason":"timestamp_too_old"}]}`, recorded)
	}
	for _, tt := range []struct {
		name, list, entry string
		url, reason       string
	}{
		{"it knows it", entries(endpoint.String()), `{"diagnosis":{"findings":[{"message":"look at the clock"}]}}`, "/#open=run-7", "timestamp_too_old: look at the clock"},
		{"it has no diagnosis", entries(endpoint.String()), `{"diagnosis":null}`, "/#open=run-7", "timestamp_too_old"},
		{"under another host name", entries("http://hooks.example.com:8080/api/webhooks"), `{}`, "/#open=run-7", "timestamp_too_old"},
		{"it knows a delivery to another port", entries("http://localhost:8081/api/webhooks"), `{}`, "", ""},
		{"it knows a delivery to another path", entries("http://localhost:8080/other"), `{}`, "", ""},
		{"it does not know it", `{"entries":[]}`, ``, "", ""},
		{"another program", `<!doctype html>`, ``, "", ""},
		{"another program that answers with JSON", `["entries"]`, ``, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/api/entries" && r.URL.Query().Get("text") == "msg_1":
					_, _ = io.WriteString(w, tt.list)
				case r.URL.Path == "/api/entries/run-7":
					_, _ = io.WriteString(w, tt.entry)
				default:
					w.WriteHeader(http.StatusNotFound)
				}
			}))
			defer server.Close()
			u, _ := url.Parse(server.URL)
			port, _ := strconv.Atoi(u.Port())
			i := &inspectors{endpoint: endpoint, ports: []int{1, port}}
			f, found := i.find("msg_1")
			if want := tt.url; want != "" && f.url != "http://localhost:"+u.Port()+want || f.reason != tt.reason || found != (want != "") {
				t.Errorf("got %+v, %v", f, found)
			}
			if again, _ := i.find("msg_1"); again != f {
				t.Errorf("then it got %+v", again)
			}
		})
	}
}

// The names of deliveries are not for others.
func TestSendAsksInspectorsOfThisMachineOnly(t *testing.T) {
	for to, asks := range map[string]bool{
		"http://localhost:8080/a": true, "http://LOCALHOST/a": true, "http://127.0.0.1:8080/a": true, "http://[::1]:8080/a": true,
		"https://hooks.example.com/a": false, "http://192.168.0.7/a": false, "http://localhost.example.com/a": false,
	} {
		u, err := url.Parse(to)
		if err != nil {
			t.Fatal(err)
		}
		if i := newInspectors(u); (len(i.ports) > 0) != asks {
			t.Errorf("%s: it would ask ports %v", to, i.ports)
		}
	}
}
