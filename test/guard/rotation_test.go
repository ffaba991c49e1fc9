package guard_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// TestElevenSignaturesOfARotation delivers what an endpoint sends that was rotated ten
// times in a day: Svix signs with ten old keys, too. Who still has the oldest must get
// it.
func TestElevenSignaturesOfARotation(t *testing.T) {
	r := testcaddy.SignedRequest(t, "", testcaddy.Secret, testcaddy.UserCreated)
	content := r.Header.Get("Svix-Id") + "." + r.Header.Get("Svix-Timestamp") + "." + testcaddy.UserCreated
	var oldest ed25519.PublicKey
	var signatures []string
	for range 11 {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		oldest = public
		signatures = append(signatures, "v1a,"+base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(content))))
	}
	site := testcaddy.RunSite(t, "clerk_webhook {\nsecret whpk_"+base64.StdEncoding.EncodeToString(oldest)+"\n}\nrespond 207", "")
	for _, client := range site.Clients {
		t.Run(client.Name, func(t *testing.T) {
			again := testcaddy.SignedRequest(t, client.URL, testcaddy.Secret, testcaddy.UserCreated)
			for _, name := range []string{"Svix-Id", "Svix-Timestamp"} {
				again.Header[name] = r.Header[name]
			}
			again.Header.Set("Svix-Signature", strings.Join(signatures, " "))
			if got := testcaddy.Send(t, client.Client, again); got.StatusCode != http.StatusMultiStatus {
				t.Errorf("the delivery got %d", got.StatusCode)
			}
		})
	}
}
