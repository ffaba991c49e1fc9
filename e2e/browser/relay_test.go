package browser

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/relay"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// TestDetailShowsWhoListened looks at a delivery that a listener has answered.
func TestDetailShowsWhoListened(t *testing.T) {
	d := newDesk(t, strings.Replace(siteAndInspector, "\t\t\tinspect\n", "\t\t\tinspect\n\t\t\trelay\n", 1), "/")
	key, err := signature.ParseSecret(secret)
	if err != nil {
		t.Fatal(err)
	}
	connected := make(chan struct{}, 1)
	listener := relay.Client{
		URL: strings.Replace(d.site, "http", "ws", 1), Start: relay.Start{Token: key.ListenToken()}, MaxBody: 1 << 20,
		Handle:    func(context.Context, *relay.Request) *relay.Answer { return &relay.Answer{Status: 202} },
		Connected: func() { connected <- struct{}{} },
		Lost:      func(error, time.Duration) {},
	}
	go func() { _ = listener.Listen(t.Context()) }()
	<-connected
	d.deliver("msg_heard", user("user.created", "Ada"))
	b := openPage(d)
	b.waitForRows(1)
	b.click(`.row[aria-posinset="1"]`)
	b.waitForText(".facts", "127.0.0.1 202")
}
