package command_test

import (
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// startRelay runs a Caddy that hands its deliveries to listeners.
func startRelay(t *testing.T, options string) (address string) {
	t.Helper()
	address = testcaddy.FreeAddress(t)
	testcaddy.Run(t, "http://"+address+" {\nclerk_webhook /api/webhooks* {\nsecret "+sendSecret+"\nrelay\n"+options+"\n}\n}")
	return address
}

// startListen starts a listener and waits until it is connected.
func startListen(t *testing.T, variables []string, args ...string) *runningProxy {
	t.Helper()
	p := &runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}
	p.start(t, "listen", variables, append(args, "--inspect=off")...)
	p.stdout.WaitFor(t, "Connected to the relay")
	return p
}

func TestListenBringsDeliveriesToTheBackend(t *testing.T) {
	relay := startRelay(t, "")
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Svix-Id") == "" {
			t.Error("a delivery without its id")
		}
		w.Header().Set("X-Backend", "mine")
		w.WriteHeader(http.StatusCreated)
	}))
	t.Cleanup(backend.Close)
	startListen(t, secretVariables, "ws://"+relay+"/api/webhooks", "--to", strings.TrimPrefix(backend.URL, "http://"))
	if r := send(t, "user.created", "--to", "http://"+relay+"/api/webhooks"); r.code != 0 || !strings.Contains(r.stdout, "201") {
		t.Errorf("the sender saw %d:\n%s", r.code, r.stdout)
	}
}

func TestListenAsksForItsEventsOnly(t *testing.T) {
	relay := startRelay(t, "")
	startListen(t, secretVariables, "ws://"+relay+"/api/webhooks", "--event", "session.*", "--match", "data.user_id=user_1")
	for name, args := range map[string][]string{
		"another event": {"user.created"},
		"another value": {"session.created", "--set", "data.user_id=user_2"},
	} {
		if r := send(t, append(args, "--to", "http://"+relay+"/api/webhooks")...); !strings.Contains(r.stdout, "503") {
			t.Errorf("%s: the sender saw\n%s", name, r.stdout)
		}
	}
	if r := send(t, "session.created", "--set", "data.user_id=user_1", "--to", "http://"+relay+"/api/webhooks"); r.code != 0 {
		t.Errorf("what it asks for: the sender saw\n%s", r.stdout)
	}
}

// TestListenSaysHowToTryIt takes the way through the relay, not past it.
func TestListenSaysHowToTryIt(t *testing.T) {
	relay := startRelay(t, "")
	p := startListen(t, secretVariables, "ws://"+relay+"/api/webhooks", "--event", "session.*", "--match", "data.user_id=user_1", "--match", "data.client_id=it's")
	_, line, _ := strings.Cut(p.stdout.String(), " clerk-webhook send ")
	line, _, _ = strings.Cut(line, "\n")
	want := "session.created --to http://" + relay + `/api/webhooks --set 'data.client_id=it'\''s' --set data.user_id=user_1`
	if line != want {
		t.Fatalf("it prints\n%s\nwant\n%s", line, want)
	}
	if r := send(t, "session.created", "--to", "http://"+relay+"/api/webhooks", "--set", "data.client_id=it's", "--set", "data.user_id=user_1"); r.code != 0 {
		t.Errorf("the sender saw\n%s", r.stdout)
	}
	p.stdout.WaitFor(t, "  session.created  ")
}

func TestListenPrintsNoPassword(t *testing.T) {
	relay := startRelay(t, "")
	p := startListen(t, secretVariables, "ws://me:pa55word@"+relay+"/api/webhooks")
	if out := p.stdout.String(); strings.Contains(out, "pa55word") || !strings.Contains(out, relay) {
		t.Errorf("it prints\n%s", out)
	}
}

// A relay that somebody else runs must not learn the token for the relay of Svix.
func TestEachPublicRelayHasItsOwnToken(t *testing.T) {
	home := t.TempDir()
	variables := []string{"XDG_DATA_HOME=" + home, "HOME=" + home, "AppData=" + home}
	one, other := testcaddy.FreeAddress(t), testcaddy.FreeAddress(t)
	first := publicURL(t, variables, one)
	if again := publicURL(t, variables, one); again != first {
		t.Errorf("the URL is %s, and then %s", first, again)
	}
	if other := publicURL(t, variables, other); path.Base(other) == path.Base(first) {
		t.Errorf("another relay gets the token of the first: %s", other)
	}
}

// publicURL returns the URL that listen prints for a relay as Svix has one.
func publicURL(t *testing.T, variables []string, relay string) string {
	t.Helper()
	p := &runningProxy{url: "http://" + testcaddy.FreeAddress(t), stdout: &testcaddy.Buffer{}, stderr: &testcaddy.Buffer{}}
	p.start(t, "listen", variables, "ws://"+relay+"/api/v1/listen/", "--inspect=off")
	p.stdout.WaitFor(t, "/in/c_")
	_, url, _ := strings.Cut(p.stdout.String(), "https://"+relay)
	url, _, _ = strings.Cut(url, "/ ")
	p.stop(t)
	return url
}

func TestListenEndsWhereTryingAgainIsPointless(t *testing.T) {
	relay := startRelay(t, "")
	noRelay := testcaddy.NewBackend(t, nil)
	tests := map[string]struct {
		args  []string
		wants string
	}{
		"another secret":    {[]string{"ws://" + relay + "/api/webhooks", "--secret", testcaddy.OtherSecret}, "must be made of the endpoint's signing secret"},
		"no relay there":    {[]string{"ws://" + noRelay.Address + "/api/webhooks"}, "no relay is there"},
		"a secret as URL":   {[]string{sendSecret}, "an argument: a secret does not belong here"},
		"not encrypted":     {[]string{"ws://example.com/api/webhooks"}, "write wss://"},
		"a URL of files":    {[]string{"ftp://example.com/api/webhooks"}, "begin it with wss://"},
		"since, but Svix":   {[]string{"--since", "30m"}, "a relay of your own"},
		"new, but ours":     {[]string{"ws://" + relay + "/api/webhooks", "--new"}, "--new"},
		"match":             {[]string{"ws://" + relay + "/api/webhooks", "--match", "data.id"}, "data.id=user_"},
		"a secret to match": {[]string{"ws://" + relay + "/api/webhooks", "--match", testcaddy.OtherSecret}, "does not belong here"},
		"match by a query":  {[]string{"ws://" + relay + "/api/webhooks", "--match", "data.#=1"}, "names and indexes only"},
		"a long since":      {[]string{"ws://" + relay + "/api/webhooks", "--since", "72h"}, "from 1s to 48h"},
		"on all networks":   {[]string{"ws://" + relay + "/api/webhooks", "--from", "hooks.example.com"}, "serves only this machine"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			args := append([]string{"clerk-webhook", "listen", "--inspect=off"}, test.args...)
			if !strings.Contains(strings.Join(args, " "), "--from") {
				args = append(args, "--from", testcaddy.FreeAddress(t))
			}
			cmd := caddy(t, args...)
			cmd.Env = append(cmd.Env, secretVariables...)
			if r := run(t, cmd, ""); r.code != 2 || !strings.Contains(r.stderr, test.wants) {
				t.Errorf("code %d, want 2 and %q:\n%s", r.code, test.wants, r.stderr)
			}
		})
	}
}

func TestListenNeedsTheSecretOfItsRelay(t *testing.T) {
	if r := run(t, caddy(t, "clerk-webhook", "listen", "wss://example.com/api/webhooks"), ""); r.code != 2 || !strings.Contains(r.stderr, "no signing secret") {
		t.Errorf("code %d:\n%s", r.code, r.stderr)
	}
}

func TestSecretPrintsTheListenToken(t *testing.T) {
	cmd := caddy(t, "clerk-webhook", "secret", "--listen-token")
	cmd.Env = append(cmd.Env, secretVariables...)
	if r := run(t, cmd, ""); r.code != 0 || !strings.HasPrefix(r.stdout, "c_") || len(strings.TrimSpace(r.stdout)) != 34 || strings.Contains(r.stdout, sendSecret) {
		t.Errorf("code %d: %q", r.code, r.stdout)
	}
}
