package clerkwebhook_test

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"

	_ "github.com/caddyclerk/caddy-clerk-webhook"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

const testSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// signedRequest returns a delivery of body signed now by Svix's library.
func signedRequest(t testing.TB, url, secret, body string) *http.Request {
	t.Helper()
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	sig, err := wh.Sign("msg_1", now, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Svix-Id", "msg_1")
	r.Header.Set("Svix-Timestamp", strconv.FormatInt(now.Unix(), 10))
	r.Header.Set("Svix-Signature", sig)
	return r
}

func TestGuardForwardsGenuineDelivery(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, `http://`+address+` {
		clerk_webhook {
			secret `+testSecret+`
		}
		respond "{http.clerk_webhook.type} {http.clerk_webhook.event.data.id}"
	}`)
	res, err := http.DefaultClient.Do(signedRequest(t, "http://"+address, testSecret, `{"data":{"id":"user_1"},"type":"user.created"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode != 200 || string(answer) != "user.created user_1" {
		t.Errorf("got %d %q", res.StatusCode, answer)
	}
}
