package guard_test

import (
	"net/url"
	"path"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// routers are how backends find out whether a request is for /api/webhooks.
var routers = map[string]func(target string) bool{
	"the target as it is": func(target string) bool {
		target, _, _ = strings.Cut(target, "?")
		return target == webhookPath
	},
	"Express": func(target string) bool { // neither case nor a slash at the end matters
		target, _, _ = strings.Cut(target, "?")
		return strings.EqualFold(strings.TrimSuffix(target, "/"), webhookPath)
	},
	"how the target begins": func(target string) bool { return strings.HasPrefix(target, webhookPath+"/") }, // app.use of Express
	"new URL(target, base)": func(target string) bool { // of JavaScript: // begins a host
		u, err := (&url.URL{Scheme: "http", Host: "h", Path: "/"}).Parse(target)
		return err == nil && path.Clean(u.Path) == webhookPath
	},
	"new URL(origin + target)": func(target string) bool { // of JavaScript: it merges no slashes
		u, err := url.Parse("http://h" + target)
		return err == nil && u.ResolveReference(u).Path == webhookPath
	},
	"decoded and cleaned": func(target string) bool { return decodedAndCleaned(target) == webhookPath },
	"decoded twice": func(target string) bool {
		once, err := url.PathUnescape(target)
		return err == nil && decodedAndCleaned(once) == webhookPath
	},
	"without path parameters": func(target string) bool { // as in Java: /a;x/b is /a/b
		var parts []string
		for part := range strings.SplitSeq(target, "/") {
			part, _, _ = strings.Cut(part, ";")
			parts = append(parts, part)
		}
		return decodedAndCleaned(strings.Join(parts, "/")) == webhookPath
	},
	"behind a front controller": func(target string) bool { // as in Symfony, which needs no slash behind it
		rest, ok := strings.CutPrefix(target, "/index.php")
		return ok && decodedAndCleaned("/"+rest) == webhookPath
	},
	"without regard to case": func(target string) bool { return strings.EqualFold(decodedAndCleaned(target), webhookPath) },
	"no punctuation in names": func(target string) bool { // as in Laminas, which makes webHooks of web-hooks
		return strings.EqualFold(strings.NewReplacer("-", "", "_", "", ".", "", "~", "", " ", "").Replace(decodedAndCleaned(target)), webhookPath)
	},
	"data of a page of Next.js": func(target string) bool {
		_, page, ok := strings.Cut(strings.TrimPrefix(target, "/_next/data/"), "/")
		return strings.HasPrefix(target, "/_next/data/") && ok && "/"+strings.TrimSuffix(page, ".json") == webhookPath
	},
	"only UTF-8": func(target string) bool { return strings.ToValidUTF8(decodedAndCleaned(target), "") == webhookPath }, // Bottle
	"backslashes as slashes": func(target string) bool { // as in IIS
		decoded, err := url.PathUnescape(target)
		return err == nil && decodedAndCleaned(strings.ReplaceAll(decoded, `\`, "/")) == webhookPath
	},
}

const webhookPath = "/api/webhooks"

func decodedAndCleaned(target string) string {
	target, _, _ = strings.Cut(target, "?")
	decoded, err := url.PathUnescape(target)
	if err != nil {
		return target
	}
	return path.Clean(decoded)
}

// TestWhatAPathMatcherCovers sends unsigned requests, whose targets some backend
// takes for its webhook, to a site that guards a path only. Where the matcher
// does not cover a target docs/security.md says so.
func TestWhatAPathMatcherCovers(t *testing.T) {
	const (
		byPrefix = "clerk_webhook /api/webhooks*"
		byName   = "clerk_webhook /api/webhooks"
	)
	tests := map[string]struct {
		target            string
		prefix, exactName bool // whether that matcher covers it
	}{
		"the path itself":          {"/api/webhooks", true, true},
		"a query":                  {"/api/webhooks?x=/../y", true, true},
		"another case":             {"/API/WebHooks", true, true},
		"an encoded letter":        {"/api/%77ebhooks", true, true},
		"an encoded slash":         {"/api%2fwebhooks", true, true},
		"a doubled slash":          {"/api//webhooks", true, true},
		"a doubled slash in front": {"//api/webhooks", true, true},
		"a dot":                    {"/api/./webhooks", true, true},
		"an encoded dot":           {"/api/%2e/webhooks", true, true},
		"two dots":                 {"/x/../api/webhooks", true, true},
		"two encoded dots":         {"/x/%2E%2e/api/webhooks", true, true},
		"out and in again":         {"/api/webhooks/../webhooks", true, true},
		"an absolute target":       {"http://127.0.0.1/api/webhooks", true, true},

		"a slash at the end":       {"/api/webhooks/", true, false},
		"a parameter at the end":   {"/api/webhooks;x", true, false},
		"a parameter in the path":  {"/api;x/webhooks", false, false},
		"a host in the path":       {"//x/api/webhooks", false, false},
		"encoded twice":            {"/api/%2577ebhooks", false, false},
		"a parameter of two dots":  {"/x/..;/api/webhooks", false, false},
		"a backslash":              {`/api\webhooks`, false, false},
		"a front controller":       {"/index.php/api/webhooks", false, false},
		"one without a slash":      {"/index.phpapi/webhooks", false, false},
		"dots behind two slashes":  {"/api//../webhooks", false, false},
		"out of it by dots":        {"/api/webhooks/../x", false, false},
		"out by encoded dots":      {"/api/webhooks/%2e%2e/x", false, false},
		"an encoded backslash":     {"/api%5cwebhooks", false, false},
		"a letter in another case": {"/api/webhook%C5%BF", false, false},
		"punctuation in a name":    {"/api/web-hooks", false, false},
		"the data of a page":       {"/_next/data/build/api/webhooks.json", false, false},
		"a byte that is no text":   {"/api/web%80hooks", false, false},
	}
	backend := testcaddy.NewBackend(t, nil)
	documented := testcaddy.ReadFile(t, "docs/security.md")
	for _, directive := range []string{byPrefix, byName} {
		site := testcaddy.RunSite(t, directive+" {\nsecret "+testcaddy.Secret+"\n}\nreverse_proxy "+backend.Address+testcaddy.Labelled, "")
		for name, test := range tests {
			isCovered := test.prefix
			if directive == byName {
				isCovered = test.exactName
			}
			t.Run(directive+"/"+name, func(t *testing.T) {
				conn := dial(t, site.Plain)
				conn.Send(t, "POST "+test.target+" HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
				got, err := conn.Answer("POST")
				if err != nil {
					t.Fatal(err)
				}
				received := backend.Take()
				if isCovered {
					got.Check(t, 400, "rejected missing_header")
					if len(received) > 0 {
						t.Errorf("%s reached the backend", received[0].RequestURI)
					}
					return
				}
				if len(received) != 1 {
					t.Fatalf("it is covered: got %d", got.StatusCode)
				}
				if !takenForWebhook(received[0].RequestURI) {
					t.Errorf("no backend takes %s for its webhook", received[0].RequestURI)
				}
				if !strings.Contains(documented, "`"+test.target+"`") {
					t.Errorf("docs/security.md does not say that %s is not covered", test.target)
				}
			})
		}
	}
}

func takenForWebhook(target string) bool {
	for _, takes := range routers {
		if takes(target) {
			return true
		}
	}
	return false
}

// TestMatchersAndRewrites sends unsigned requests that reach the webhook of a
// backend, past or through a guard. docs/security.md says which configurations leave
// it unguarded.
func TestMatchersAndRewrites(t *testing.T) {
	const guard = " {\nsecret " + testcaddy.Secret + "\n}\n"
	type request struct{ method, target, header string }
	hook := request{"POST", "/api/webhooks", ""}
	versioned := request{"POST", "/v1/api/webhooks", ""}
	for name, tt := range map[string]struct {
		directives string // PROXY stands for reverse_proxy to the backend
		request    request
		isGuarded  bool
	}{
		"a fragment in a path of handle": {"handle /api/webhooks#a {\nclerk_webhook" + guard + "PROXY\n}\nhandle {\nPROXY\n}", hook, false},
		"a query in a path of handle":    {"handle /api/webhooks?token=x {\nclerk_webhook" + guard + "PROXY\n}\nhandle {\nPROXY\n}", request{"POST", "/api/webhooks?token=x", ""}, false},
		"a query in a query matcher":     {"@hooks {\npath /api/webhooks\nquery token=x\n}\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/api/webhooks?token=y", ""}, false},
		"a regular expression":           {"@hooks path_regexp ^/api/webhooks\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/API/webhooks", ""}, false},
		"an expression":                  {"@hooks expression {path}.startsWith('/api/webhooks')\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/API/webhooks", ""}, false},
		"a * in the middle":              {"@hooks path_regexp (?is)^/api/(.*/)?webhooks\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/API/t%2f1//webhooks/", ""}, true},
		"nothing for it":                 {"@hooks path_regexp (?is)^/api/(.*/)?webhooks\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/api/%2f/webhooks", ""}, true},
		"a * in the middle of handle":    {"handle /api/*/webhooks* {\nclerk_webhook" + guard + "PROXY\n}\nhandle {\nPROXY\n}", request{"POST", "/api/t1/webhooks/", ""}, false},
		"path in an expression":          {"@hooks expression path('/api/webhooks*')\nclerk_webhook @hooks" + guard + "PROXY", request{"POST", "/API/webhooks", ""}, true},
		"no query in the path":           {"clerk_webhook /api/webhooks*" + guard + "PROXY", request{"POST", "/api/webhooks?token=x", ""}, true},

		"handle_path after the guard":     {"clerk_webhook /api/webhooks*" + guard + "handle_path /v1/* {\nPROXY\n}", versioned, false},
		"strip_prefix in handle":          {"clerk_webhook /api/webhooks*" + guard + "handle {\nuri strip_prefix /v1\nPROXY\n}", versioned, false},
		"rewrite of the proxy":            {"clerk_webhook /api/webhooks*" + guard + "reverse_proxy UPSTREAM {\nrewrite /api/webhooks\n}", request{"POST", "/other", ""}, false},
		"strip_prefix for the whole site": {"uri strip_prefix /v1\nclerk_webhook /api/webhooks*" + guard + "PROXY", versioned, true},
		"the guard within handle_path":    {"handle_path /v1/* {\nclerk_webhook /api/webhooks*" + guard + "PROXY\n}", versioned, true},

		"rewrite for the whole site":     {"rewrite * /index.php\nclerk_webhook /api/webhooks*" + guard + "PROXY", hook, false},
		"the guard in front, in a route": {"route {\nclerk_webhook /api/webhooks*" + guard + "rewrite * /index.php\nPROXY\n}", hook, true},

		"a header with another path":  {"clerk_webhook /api/webhooks*" + guard + "PROXY", request{"POST", "/other", "X-Original-URL: /api/webhooks"}, false},
		"a header for another method": {"@hooks {\nmethod POST\npath /api/webhooks*\n}\nclerk_webhook @hooks" + guard + "PROXY", request{"GET", "/api/webhooks", "X-HTTP-Method-Override: POST"}, false},
		"a matcher without a method":  {"clerk_webhook /api/webhooks*" + guard + "PROXY", request{"GET", "/api/webhooks", "X-HTTP-Method-Override: POST"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			backend, address := testcaddy.NewBackend(t, nil), testcaddy.FreeAddress(t)
			directives := strings.NewReplacer("PROXY", "reverse_proxy "+backend.Address, "UPSTREAM", backend.Address).Replace(tt.directives)
			testcaddy.Run(t, "http://"+address+" {\n"+directives+testcaddy.Labelled+"\n}\n")
			conn := testcaddy.Dial(t, address)
			header := tt.request.header
			if header != "" {
				header += "\r\n"
			}
			conn.Send(t, tt.request.method+" "+tt.request.target+" HTTP/1.1\r\nHost: "+address+"\r\n"+header+"Content-Length: 0\r\n\r\n")
			a, err := conn.Answer(tt.request.method)
			if err != nil {
				t.Fatal(err)
			}
			if isRejected := strings.HasPrefix(a.Guard(), "rejected"); isRejected != tt.isGuarded {
				t.Errorf("the guard says %q to %+v", a.Guard(), tt.request)
			}
			received := backend.Take()
			if tt.isGuarded != (len(received) == 0) {
				t.Fatalf("the backend got %d requests", len(received))
			}
			for _, r := range received {
				name, value, isSent := strings.Cut(tt.request.header, ": ")
				if isSent && r.Header.Get(name) != value {
					t.Errorf("the backend got %v", r.Header)
				}
				isRewritten := strings.HasPrefix(tt.directives, "rewrite") // PHP gets the target as it was sent
				if !isSent && !isRewritten && !takenForWebhook(strings.Replace(r.RequestURI, "/t1/", "/", 1)) {
					t.Errorf("no backend takes %s for its webhook", r.RequestURI)
				}
			}
		})
	}
}

// If no directive of a named route has a matcher, Caddy keeps only one of them. A route
// block keeps the guard.
func TestGuardInANamedRoute(t *testing.T) {
	const guard = "request_body {\nmax_size 1MB\n}\nclerk_webhook {\nsecret " + testcaddy.Secret + "\n}\n"
	for name, tt := range map[string]struct {
		content   string
		isGuarded bool
	}{
		"behind another directive":               {guard, false},
		"behind another directive, within route": {"route {\n" + guard + "}\n", true},
	} {
		t.Run(name, func(t *testing.T) {
			backend, address := testcaddy.NewBackend(t, nil), testcaddy.FreeAddress(t)
			testcaddy.Run(t, "&(hook) {\n"+tt.content+"}\nhttp://"+address+" {\nhandle /api/webhooks* {\ninvoke hook\nreverse_proxy "+backend.Address+"\n}\n}\n")
			res, err := testcaddy.NewConnections.Post("http://"+address+"/api/webhooks", "application/json", strings.NewReader("{}"))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if isGuarded := len(backend.Take()) == 0; isGuarded != tt.isGuarded {
				t.Errorf("guarded: %t, status %d", isGuarded, res.StatusCode)
			}
		})
	}
}
