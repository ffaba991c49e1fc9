package command_test

import (
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
)

func TestVerifyTakesADeliveryOfClerksCommand(t *testing.T) {
	line := func(t *testing.T, body string, headers any) string {
		text, err := json.Marshal(map[string]any{"type": "event", "event_type": "user.updated", "headers": headers, "body_b64": base64.StdEncoding.EncodeToString([]byte(body))})
		if err != nil {
			t.Fatal(err)
		}
		return string(text) + "\n"
	}
	g := genuine(t, userUpdated)
	headers := map[string]string{"svix-id": g.id, "svix-timestamp": g.timestamp, "svix-signature": g.signature}
	good := line(t, userUpdated, headers)
	ready := `{"type":"ready","forward_to":"http://localhost:3000"}` + "\n"
	for _, tt := range []struct {
		name, stdin string
		args        []string
		code        int
		says        string
	}{
		{"a line", good, nil, 0, "secret     production\n"},
		{"a line without its line end", strings.TrimSpace(good), nil, 0, "valid\n"},
		{"the output of a session with one delivery", ready + good, nil, 0, "valid\n"},
		{"headers with lists of values", line(t, userUpdated, map[string][]string{"Svix-Id": {g.id}, "Svix-Timestamp": {g.timestamp}, "Svix-Signature": {g.signature}}), nil, 0, "valid\n"},
		{"a header replaced by a flag", good, []string{"--id", "msg_other"}, 1, "not valid\n"},
		{"a body that was changed", line(t, userUpdated+"\n", headers), nil, 1, "body_newline_added (proven)\n"},
		{"two deliveries", good + good, nil, 2, "more than one delivery"},
		{"no delivery", ready, nil, 2, "it has no delivery"},
		{"nothing", "", nil, 2, "it has no delivery"},
		{"not JSON", "POST / HTTP/1.1", nil, 2, "not a line of 'clerk webhooks listen --json'"},
		{"an array", "[]", nil, 2, "not a line of 'clerk webhooks listen --json'"},
		{"a body that is not base64", `{"headers":{},"body_b64":"%"}`, nil, 2, "body_b64 is not base64"},
		{"a header that is a number", `{"headers":{"svix-id":1},"body_b64":""}`, nil, 2, `\"svix-id\" has neither text nor a list of text`},
		{"a body beside it", good, []string{"--body", "x"}, 2, "--delivery has a body already: remove --body"},
		{"a request beside it", good, []string{"--request", "x"}, 2, "--request has a body already: remove --delivery"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"clerk-webhook", "verify", "--delivery", "-", "--at", strconv.Itoa(receivedAt)}, g.secrets...)
			r := run(t, caddy(t, append(args, tt.args...)...), tt.stdin)
			if r.code != tt.code || !strings.Contains(r.stdout+r.stderr, tt.says) {
				t.Errorf("code %d: %s%s", r.code, r.stdout, r.stderr)
			}
			checkNoSecret(t, r)
		})
	}
}
