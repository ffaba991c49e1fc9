package inspector_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// basicAuth asks for ada:desk. The hash has the lowest cost.
const basicAuth = "basic_auth {\nada $2a$04$ml06oNApvh8zKzJGw9D0KOs9rNsIHmkjOisUKE0oG/a85V2LuM6ty\n}\n"

const asAda = "Basic YWRhOmRlc2s="

// asNotAda has a wrong password. For a wrong name, Caddy compares a hash that takes
// seconds.
const asNotAda = "Basic YWRhOmJlbmNo"

func (e entry) notes() string {
	var codes []string
	for _, n := range e.Notes {
		codes = append(codes, n.Code)
	}
	return strings.Join(codes, " ")
}

func TestInspectNotesWhatAnAnswerMeans(t *testing.T) {
	for _, test := range []struct {
		name, options, behind string
		sent                  message
		want, says            string
	}{
		{"the application answers", "", "respond ok", message{body: testcaddy.UserCreated}, "", ""},
		{"the application fails", "", "respond 503", message{body: testcaddy.UserCreated}, "", ""},
		{"a redirect", "", "route {\nredir * /sign-in\n}", message{body: testcaddy.UserCreated}, "redirect", "Svix does not follow redirects"},
		{"a permanent redirect", "", "route {\nredir * {uri}/ 308\n}", message{body: testcaddy.UserCreated}, "redirect", "slash at the end of the path"},
		{"a redirect of what is only reported", "report_only", "route {\nredir * /sign-in\n}", message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret}, "redirect", "sign-in page"},
		{"a filtered type", "events user.*", "respond ok", message{body: `{"type":"session.created"}`}, "", ""},
		{"no type, filtered", "events user.*", "respond ok", message{body: `{"data":{}}`}, "no_type", `no top-level "type"`},
		{"no type, forwarded", "", "respond ok", message{body: `{"data":{}}`}, "", ""},
		{"a status of the guard", "filtered 302\nevents user.*", "respond ok", message{body: `{"type":"session.created"}`}, "", ""},
		{"a rejection", "", "respond ok", message{body: testcaddy.UserCreated, secret: testcaddy.OtherSecret}, "", ""},
		{"no credentials", "", basicAuth + "respond ok", message{body: testcaddy.UserCreated}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, test.options, test.behind)
			d.deliver(t, test.sent)
			e := d.last(t)
			if e.notes() != test.want || test.want != "" && !strings.Contains(e.Notes[0].Message, test.says) {
				t.Errorf("notes %+v, want %q", e.Notes, test.want)
			}
		})
	}
}

// The replay has none of the credentials of the original, so it cannot be answered as
// the original was.
func TestReplayThatIsRefusedSaysWhichCredentialsItLeftOut(t *testing.T) {
	const lacks = "sent without Authorization"
	secured := "route {\n" + basicAuth + "respond ok\n}"
	for _, test := range []struct {
		name   string
		header http.Header // of the original
		edits  map[string]any
		status int
		want   string
	}{
		{"the original had credentials", http.Header{"Authorization": {asAda}}, nil, 401, "credentials_not_kept"},
		{"the original had none", nil, nil, 401, ""},
		{"the replay has right ones", http.Header{"Authorization": {asAda}}, map[string]any{"headers": map[string]any{"Authorization": asAda}}, 200, ""},
		{"the replay has wrong ones", http.Header{"Authorization": {asAda}}, map[string]any{"headers": map[string]any{"Authorization": asNotAda}}, 401, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := openDesk(t, "", secured)
			d.deliver(t, message{body: testcaddy.UserCreated, header: test.header})
			s := d.act(t, d.last(t).ID, "replay", test.edits)
			e := d.one(t, s.Entry)
			if e.Status != test.status || e.notes() != test.want || test.want != "" && !strings.Contains(e.Notes[0].Message, lacks) {
				t.Errorf("behind the guard: status %d, notes %+v", e.Status, e.Notes)
			}
			if strings.Contains(s.Note, lacks) != (test.want != "") {
				t.Errorf("the answer of the call notes %q", s.Note)
			}

			d = openDesk(t, "", "respond ok")
			config := testcaddy.Replace(t, d.caddyfile("", "respond ok"), "handle /webhooks/* {", "route /webhooks/* {\n"+basicAuth)
			d.deliver(t, message{body: testcaddy.UserCreated, header: test.header})
			id := d.last(t).ID
			d.load(t, config)
			s = d.act(t, id, "replay", test.edits)
			if s.Answer.Status != test.status || strings.Contains(s.Note, lacks) != (test.want != "") || s.Guarded != (test.status == 200) {
				t.Errorf("in front of the guard: status %d, note %q", s.Answer.Status, s.Note)
			}
		})
	}
}
