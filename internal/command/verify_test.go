package command_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	svix "github.com/svix/svix-webhooks/go"
)

const (
	productionSecret  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazYeZmFjdG8="
	developmentSecret = "whsec_bm90IHRoZSBzYW1lIGtleSBhcyBpbiBwcm9kdWN0aW9u"

	verifyID   = "msg_2xHZGDSbWkZvBhOrZnCNYqGBMsT"
	receivedAt = 1773651850
	signedAt   = receivedAt - 5
)

// userUpdated has what JSON encoders write differently: characters that some escape,
// numbers with many digits, and keys that are not sorted.
const userUpdated = `{"data":{"username":"zoë","bio":"<b>R&D</b> ☕ 😀","image_url":"https://img.example/a/b","id":"user_1","balance":12345678901234567890.10,"tags":[],"emails":[{"id":"idn_1"},{"id":"idn_2"}]},"object":"event","type":"user.updated"}`

// sortedUpdate has its keys in alphabetical order.
const sortedUpdate = `{"data":{"a":1,"b":{"c":2,"d":3}},"type":"user.updated"}`

func svixSignature(t testing.TB, secret, id string, at int64, body string) string {
	t.Helper()
	wh, err := svix.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	sig, err := wh.Sign(id, time.Unix(at, 0), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// received is a delivery and the arguments with which it is checked.
type received struct {
	id, timestamp, signature string
	body                     string
	secrets                  []string // arguments
	header                   []string // further lines
	args                     []string
}

// genuine returns a valid delivery of the body.
func genuine(t testing.TB, body string) received {
	return received{
		id:        verifyID,
		timestamp: strconv.Itoa(signedAt),
		signature: svixSignature(t, productionSecret, verifyID, signedAt, body),
		body:      body,
		secrets:   []string{"--secret", "production=" + productionSecret},
	}
}

func (r received) arguments() []string {
	args := []string{"verify", "--body", "-", "--at", strconv.Itoa(receivedAt)}
	for flag, value := range map[string]string{"--id": r.id, "--timestamp": r.timestamp, "--signature": r.signature} {
		if value != "" {
			args = append(args, flag, value)
		}
	}
	for _, line := range r.header {
		args = append(args, "--header", line)
	}
	return slices.Concat(args, r.secrets, r.args)
}

type verdict struct {
	Valid      *bool   `json:"valid"`
	Secret     *string `json:"secret"`
	ID         *string `json:"id"`
	Timestamp  *int64  `json:"timestamp"`
	AgeSeconds *int64  `json:"age_seconds"`
	Type       *string `json:"type"`
	Findings   []struct {
		Code    string `json:"code"`
		Proven  bool   `json:"proven"`
		Message string `json:"message"`
	} `json:"findings"`
}

func (v verdict) codes() string {
	var codes []string
	for _, f := range v.Findings {
		code := f.Code
		if !f.Proven {
			code += "?"
		}
		codes = append(codes, code)
	}
	return strings.Join(codes, " ")
}

func verifyJSON(t *testing.T, r received) (verdict, result) {
	t.Helper()
	res := answer(t, r.body, append(r.arguments(), "--json")...)
	checkNoSecret(t, res)
	decoder := json.NewDecoder(strings.NewReader(res.stdout))
	decoder.DisallowUnknownFields()
	var v verdict
	if err := decoder.Decode(&v); err != nil {
		t.Fatalf("exit code %d, stdout %q, stderr %q: %v", res.code, res.stdout, res.stderr, err)
	}
	return v, res
}

// keyLike matches each secret and each signature, and nothing else in the tests.
var keyLike = regexp.MustCompile(`[A-Za-z0-9+/]{32,}`)

// checkNoSecret fails if a secret, a part of one or a signature is printed.
func checkNoSecret(t *testing.T, res result) {
	t.Helper()
	output := res.stdout + res.stderr
	if keyLike.MatchString(output) {
		t.Errorf("a secret or a signature is printed:\n%s", output)
	}
	for _, secret := range []string{productionSecret, developmentSecret} {
		for i := len("whsec_"); i+8 <= len(secret); i++ {
			if strings.Contains(output, secret[i:i+8]) {
				t.Fatalf("a part of a secret is printed:\n%s", output)
			}
		}
	}
}

func TestVerifyNamesTheCause(t *testing.T) {
	latin1 := func(utf8 string) string { // the bytes of utf8 taken for Latin-1 and encoded as UTF-8
		var b strings.Builder
		for _, c := range []byte(utf8) {
			b.WriteRune(rune(c))
		}
		return b.String()
	}
	utf16 := func(s string) string {
		var b strings.Builder
		b.WriteString("\xff\xfe")
		for _, c := range []byte(s) {
			b.WriteByte(c)
			b.WriteByte(0)
		}
		return b.String()
	}
	changedBody := func(signed, arrived string) func(*received) {
		return func(r *received) {
			r.signature = svixSignature(t, productionSecret, verifyID, signedAt, signed)
			r.body = arrived
		}
	}
	secretText := func(text string) func(*received) {
		return func(r *received) { r.secrets = []string{"--secret", text} }
	}
	const indented = "{\n  \"data\": {\n    \"a\": 1.50,\n    \"e\": []\n  },\n  \"type\": \"x.y\"\n}"
	const compact = `{"data":{"a":1.50,"e":[]},"type":"x.y"}`

	tests := []struct {
		name   string
		change func(r *received)
		want   string // codes; a question mark means that the cause is not proven
	}{
		{"clock ahead", func(r *received) { r.args = []string{"--at", "2026-03-16T09:10:25Z"} }, "timestamp_too_old"},
		{"clock behind", func(r *received) { r.args = []string{"--at", "2026-03-16T08:50:00Z"} }, "timestamp_too_new"},
		{"clock and body", func(r *received) {
			r.args = []string{"--at", "2026-03-16T09:10:25Z"}
			r.body += "\n"
		}, "body_newline_added timestamp_too_old"},
		{"own tolerance", func(r *received) { r.args = []string{"--tolerance", "4s"} }, "timestamp_too_old"},

		{"secret of another endpoint, known", func(r *received) {
			r.secrets = []string{"--secret", "production=" + developmentSecret, "--other-secret", "staging=" + productionSecret}
		}, "secret_other"},
		{"secret of another endpoint, unknown", secretText(developmentSecret), "secret_unknown?"},
		{"secret in quotes", secretText(`"` + productionSecret + `"`), "secret_quoted"},
		{"secret in typographic quotes", secretText("“" + productionSecret + "”"), "secret_quoted"},
		{"secret with a line break inside", secretText(productionSecret[:20] + "\n" + productionSecret[20:]), "secret_white_space"},
		{"secret with spaces inside", secretText("whsec_ " + productionSecret[6:]), "secret_white_space"},
		{"secret with a line end written as \\n", secretText(productionSecret + `\n`), "secret_white_space"},
		{"secret in quotes with a space after it", secretText(`"` + productionSecret + ` "`), "secret_quoted"},
		{"secret with a doubled prefix", secretText("whsec_" + productionSecret), "secret_prefix"},
		{"secret with half a prefix", secretText("sec_" + productionSecret[6:]), "secret_prefix"},
		{"secret with the prefix of a public key", secretText("whpk_" + productionSecret[6:]), "secret_prefix"},
		{"secret in the base64 of URLs", secretText(strings.ReplaceAll(productionSecret, "+", "-")), "secret_altered"},
		{"secret URL-encoded", secretText(strings.NewReplacer("+", "%2B", "=", "%3D").Replace(productionSecret)), "secret_altered"},
		{"secret cut short", secretText(productionSecret[:20]), "secret_invalid?"},
		{"signer uses the text of the secret", func(r *received) {
			key := "whsec_" + base64.StdEncoding.EncodeToString([]byte(productionSecret))
			r.signature = svixSignature(t, key, verifyID, signedAt, r.body)
		}, "secret_as_text"},
		{"signer uses the text of the secret without its prefix", func(r *received) {
			key := "whsec_" + base64.StdEncoding.EncodeToString([]byte(productionSecret[6:]))
			r.signature = svixSignature(t, key, verifyID, signedAt, r.body)
		}, "secret_as_text"},

		{"line end added", func(r *received) { r.body += "\n" }, "body_newline_added"},
		{"CRLF added", func(r *received) { r.body += "\r\n" }, "body_newline_added"},
		{"line end lost", changedBody(compact+"\n", compact), "body_newline_lost"},
		{"LF became CRLF", changedBody(indented, strings.ReplaceAll(indented, "\n", "\r\n")), "body_line_ends"},
		{"CRLF became LF", changedBody(strings.ReplaceAll(indented, "\n", "\r\n"), indented), "body_line_ends"},
		{"BOM added", func(r *received) { r.body = "\ufeff" + r.body }, "body_bom"},
		{"BOM removed", changedBody("\ufeff"+compact, compact), "body_bom"},
		{"BOM and line end added", func(r *received) { r.body = "\ufeff" + r.body + "\n" }, "body_bom body_newline_added"},

		{"indented by two", changedBody(compact, indented), "json_spacing"},
		{"was indented by two", changedBody(indented, compact), "json_spacing"},
		{"json.dumps of Python", changedBody(compact, `{"data": {"a": 1.50, "e": []}, "type": "x.y"}`), "json_spacing"},
		{"was json.dumps of Python", changedBody(`{"data": {"a": 1.50, "e": []}, "type": "x.y"}`, compact), "json_spacing"},
		{"Python escapes and spaces", func(r *received) {
			r.body = strings.NewReplacer(`":`, `": `, `,"`, `, "`, `},{`, `}, {`, "ë", `\u00eb`, "☕", `\u2615`, "😀", `\ud83d\ude00`).Replace(r.body)
		}, "json_spacing json_escaping"},
		{"Go escapes <, > and &", func(r *received) {
			r.body = strings.NewReplacer("<", `\u003c`, ">", `\u003e`, "&", `\u0026`).Replace(r.body)
		}, "json_escaping"},
		{"was escaped by Go", changedBody(`{"a":"\u003cb\u003e \u0026"}`, `{"a":"<b> &"}`), "json_escaping"},
		{"PHP escapes /", func(r *received) { r.body = strings.ReplaceAll(r.body, "/", `\/`) }, "json_escaping"},
		{"was escaped by PHP", changedBody(`{"a":"\/x\u00eb"}`, `{"a":"/xë"}`), "json_escaping"},
		{"\\u escapes became UTF-8", changedBody(`{"a":"\u00eb"}`, `{"a":"ë"}`), "json_escaping"},
		{"key order changed", changedBody(sortedUpdate, `{"type":"user.updated","data":{"b":{"d":3,"c":2},"a":1}}`), "json_key_order"},
		{"all of it", changedBody(`{"a":"<ë","b":1}`, `{"b": 1, "a": "\u003c\u00eb"}`), "json_spacing json_escaping json_key_order"},

		{"UTF-8 taken for Latin-1", func(r *received) { r.body = latin1(r.body) }, "body_charset"},
		{"UTF-8 converted to Windows-1252", changedBody(`{"a":"ë€"}`, "{\"a\":\"\xeb\x80\"}"), "body_charset"},
		{"UTF-8 taken for Windows-1252", changedBody(`{"a":"€"}`, `{"a":"â‚¬"}`), "body_charset"},
		{"saved as UTF-16", changedBody(compact, utf16(compact+"\r\n")), "body_charset body_newline_added"},
		{"replacement characters", func(r *received) { r.body = strings.ReplaceAll(r.body, "ë", "\ufffd") }, "body_charset? secret_unknown?"},
		{"encoded twice", func(r *received) {
			text, _ := json.Marshal(r.body)
			r.body = string(text)
		}, "body_json_string"},
		{"base64 of a gateway", func(r *received) { r.body = base64.StdEncoding.EncodeToString([]byte(r.body)) }, "body_base64"},
		{"compressed by a proxy", func(r *received) {
			r.header, r.body = []string{"Content-Encoding: gzip"}, gzipped(r.body)
		}, "body_compressed"},
		{"compressed after Python wrote it", func(r *received) {
			r.body = gzipped(strings.NewReplacer(`":`, `": `, `,"`, `, "`, `},{`, `}, {`).Replace(r.body))
		}, "body_compressed json_spacing"},

		{"truncated, as Content-Length tells", func(r *received) {
			r.header = []string{"Content-Length: " + strconv.Itoa(len(r.body))}
			r.body = r.body[:100]
		}, "body_truncated? secret_unknown?"},
		{"truncated, as JSON tells", func(r *received) { r.body = r.body[:100] }, "body_truncated? secret_unknown?"},
		{"longer than Content-Length", func(r *received) {
			r.header = []string{"Content-Length: " + strconv.Itoa(len(r.body))}
			r.body += r.body
		}, "body_surplus"},
		{"something after the JSON", func(r *received) { r.body += "\n--boundary--\n" }, "body_surplus"},
		{"empty body", func(r *received) { r.body = "" }, "body_empty? secret_unknown?"},
		{"an object turned into text", func(r *received) { r.body = "[object Object]" }, "body_not_raw? secret_unknown?"},

		{"timestamp of another attempt", func(r *received) { r.timestamp = strconv.Itoa(signedAt + 4) }, "timestamp_other_attempt"},
		{"id of another delivery, both given", func(r *received) {
			r.id, r.header = "", []string{"svix-id: msg_other", "svix-id: " + r.id}
		}, "id_other_attempt"},
		{"id of the other dialect", func(r *received) {
			r.id, r.header = "msg_other", []string{"webhook-id: " + r.id}
		}, "id_other_attempt"},
		{"id in quotes", func(r *received) { r.id = `"` + r.id + `"` }, "id_altered"},
		{"timestamp with white space", func(r *received) { r.timestamp += "\n" }, "timestamp_altered"},
		{"timestamp in milliseconds", func(r *received) { r.timestamp += "123" }, "timestamp_format"},
		{"timestamp in milliseconds, signed so", func(r *received) {
			r.timestamp += "123"
			at, _ := strconv.ParseInt(r.timestamp, 10, 64)
			r.signature = svixSignature(t, productionSecret, verifyID, at, r.body)
		}, "timestamp_format"},
		{"timestamp as a date", func(r *received) { r.timestamp = "2026-03-16T09:04:05Z" }, "timestamp_format"},
		{"header under another name", func(r *received) {
			r.header, r.signature = []string{"HTTP_SVIX_SIGNATURE: " + r.signature}, ""
		}, "header_renamed"},
		{"no signature header", func(r *received) { r.signature = "" }, "missing_header?"},

		{"signature URL-decoded", func(r *received) {
			for !strings.Contains(r.signature, "+") { // not every signature has one
				r.id += "x"
				r.signature = svixSignature(t, productionSecret, r.id, signedAt, r.body)
			}
			r.signature = strings.ReplaceAll(r.signature, "+", " ")
		}, "signature_altered"},
		{"signature URL-encoded", func(r *received) {
			r.signature = strings.NewReplacer("+", "%2B", "=", "%3D", "/", "%2F", ",", "%2C").Replace(r.signature)
		}, "signature_altered"},
		{"signature without padding", func(r *received) { r.signature = strings.TrimRight(r.signature, "=") }, "signature_altered"},
		{"signature in quotes", func(r *received) { r.signature = `"` + r.signature + `"` }, "signature_altered"},
		{"signature without version", func(r *received) { r.signature = r.signature[3:] }, "signature_altered"},
		{"signature in hexadecimal", func(r *received) {
			digest, _ := base64.StdEncoding.DecodeString(r.signature[3:])
			r.signature = fmt.Sprintf("v1,%x", digest)
		}, "signature_altered"},
		{"signature cut short", func(r *received) { r.signature = r.signature[:20] }, "signature_altered? secret_unknown?"},
		{"public key for an HMAC", func(r *received) {
			r.secrets = []string{"--secret", "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="}
		}, "signature_kind? secret_unknown?"},

		{"secret in quotes, body re-encoded, header altered, clock wrong", func(r *received) {
			r.secrets = []string{"--secret", "production='" + productionSecret + "'"}
			r.id += " "
			r.body = strings.ReplaceAll(r.body, "/", `\/`)
			r.args = []string{"--at", "2026-03-16T10:00:00Z"}
		}, "secret_quoted id_altered json_escaping timestamp_too_old"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := genuine(t, userUpdated)
			tt.change(&r)
			v, res := verifyJSON(t, r)
			if got := v.codes(); got != tt.want {
				t.Errorf("findings %q, want %q\n%s", got, tt.want, res.stdout)
			}
			if *v.Valid || res.code != 1 {
				t.Errorf("valid %v, exit code %d, want false and 1", *v.Valid, res.code)
			}
			for _, f := range v.Findings {
				if f.Message == "" {
					t.Errorf("%s has no message", f.Code)
				}
			}
		})
	}
}

func TestVerifyAcceptsGenuineDeliveries(t *testing.T) {
	signer := svixSignature(t, developmentSecret, verifyID, signedAt, userUpdated)
	tests := []struct {
		name       string
		change     func(r *received)
		wantSecret string
	}{
		{"one secret", func(*received) {}, "production"},
		{"unnamed secret", func(r *received) { r.secrets = []string{"--secret", productionSecret} }, "1"},
		{"secret without prefix", func(r *received) { r.secrets = []string{"--secret", productionSecret[6:]} }, "1"},
		{"second of two secrets", func(r *received) {
			r.secrets = []string{"--secret", "development=" + developmentSecret, "--secret", "production=" + productionSecret}
		}, "production"},
		{"usable secret beside a broken one", func(r *received) {
			r.secrets = []string{"--secret", "old=whsec_x", "--secret", "production=" + productionSecret}
		}, "production"},
		{"second of two signatures", func(r *received) { r.signature = signer + " " + r.signature }, "production"},
		{"Standard Webhooks headers", func(r *received) {
			r.header = []string{"webhook-id: " + r.id, "webhook-timestamp: " + r.timestamp, "WEBHOOK-SIGNATURE: " + r.signature}
			r.id, r.timestamp, r.signature = "", "", ""
		}, "production"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := genuine(t, userUpdated)
			tt.change(&r)
			v, res := verifyJSON(t, r)
			if !*v.Valid || res.code != 0 || len(v.Findings) != 0 || *v.Secret != tt.wantSecret {
				t.Fatalf("exit code %d, want 0 and secret %s:\n%s%s", res.code, tt.wantSecret, res.stdout, res.stderr)
			}
			if *v.ID != verifyID || *v.Timestamp != signedAt || *v.AgeSeconds != 5 || *v.Type != "user.updated" {
				t.Errorf("got %s", res.stdout)
			}
		})
	}
}

func TestVerifyPrintsAReport(t *testing.T) {
	r := genuine(t, userUpdated)
	res := run(t, caddy(t, append([]string{"clerk-webhook"}, r.arguments()...)...), r.body)
	const want = "valid\n\nsecret     production\nid         msg_2xHZGDSbWkZvBhOrZnCNYqGBMsT\nsigned     2026-03-16T09:04:05Z (age 5s)\ntype       user.updated\n"
	if res.stdout != want || res.stderr != "" || res.code != 0 {
		t.Errorf("exit code %d, stdout:\n%s\nwant:\n%s\nstderr: %s", res.code, res.stdout, want, res.stderr)
	}

	res = run(t, caddy(t, append([]string{"clerk-webhook"}, r.arguments()...)...), r.body+"\n")
	if !strings.HasPrefix(res.stdout, "not valid\n\nbody_newline_added (proven)\n") || res.stderr != "" || res.code != 1 {
		t.Errorf("exit code %d, stdout:\n%s\nstderr: %s", res.code, res.stdout, res.stderr)
	}
	checkNoSecret(t, res)
}

func TestVerifyReadsRawRequests(t *testing.T) {
	sig := svixSignature(t, productionSecret, verifyID, signedAt, userUpdated)
	headers := fmt.Sprintf("svix-id: %s\nsvix-timestamp: %d\nsvix-signature: %s\n", verifyID, signedAt, sig)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }
	tests := []struct{ name, request string }{
		{"as on the wire", crlf("POST /api/webhooks HTTP/1.1\nHost: example.com\n"+headers+"Content-Length: "+strconv.Itoa(len(userUpdated))+"\n\n") + userUpdated},
		{"LF for line ends, no Content-Length", "POST /api/webhooks HTTP/1.1\nHost: example.com\n" + headers + "\n" + userUpdated},
		{"HTTP/2 in its first line", "POST /api/webhooks HTTP/2\n" + headers + "\n" + userUpdated},
		{"no first line", headers + "\n" + userUpdated},
		{"chunked", crlf("POST / HTTP/1.1\n"+headers+"Transfer-Encoding: chunked\n\n") + fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(userUpdated), userUpdated)},
		{"chunked once, recorded plain", crlf("POST / HTTP/1.1\n"+headers+"Transfer-Encoding: chunked\n\n") + userUpdated},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "delivery.http")
			if err := os.WriteFile(file, []byte(tt.request), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{file, "-"} {
				res := run(t, caddy(t, "clerk-webhook", "verify", "--request", path, "--secret", productionSecret, "--at", strconv.Itoa(receivedAt)), tt.request)
				if res.code != 0 || !strings.HasPrefix(res.stdout, "valid\n") {
					t.Errorf("--request %s: exit code %d\n%s%s", path, res.code, res.stdout, res.stderr)
				}
			}
		})
	}
}

func TestVerifyTriesTheHeadersOfOtherAttempts(t *testing.T) {
	r := genuine(t, userUpdated)
	other := filepath.Join(t.TempDir(), "other.http")
	request := fmt.Sprintf("POST / HTTP/1.1\nsvix-id: %s\nsvix-timestamp: %d\nsvix-signature: %s\n\n", verifyID, signedAt-7200, "v1,x")
	if err := os.WriteFile(other, []byte(request), 0o600); err != nil {
		t.Fatal(err)
	}
	r.id, r.args = "msg_of_something_else", []string{"--other-request", other}
	v, res := verifyJSON(t, r)
	if v.codes() != "id_other_attempt" || res.code != 1 {
		t.Errorf("exit code %d\n%s", res.code, res.stdout)
	}
}

func TestVerifyErrors(t *testing.T) {
	base := []string{"clerk-webhook", "verify"}
	tests := []struct {
		name string
		args []string
		want string
	}{
		{"nothing to check", []string{"--secret", productionSecret}, "nothing to check"},
		{"no secret", []string{"--body", "-"}, "no signing secret"},
		{"missing file", []string{"--body", "/does/not/exist", "--secret", productionSecret}, "no such file"},
		{"standard input twice", []string{"--body", "-", "--secret-file", "-"}, "cannot both read standard input"},
		{"body twice", []string{"--body", "-", "--request", "-", "--secret", productionSecret}, "remove --body"},
		{"not a request", []string{"--request", "-", "--secret", productionSecret}, "no empty line"},
		{"not a header", []string{"--body", "-", "--header", "svix-id", "--secret", productionSecret}, "Name: value"},
		{"not a time", []string{"--body", "-", "--at", "yesterday", "--secret", productionSecret}, "--at yesterday"},
		{"a distance ahead", []string{"--body", "-", "--at", "5m", "--secret", productionSecret}, "write --at -5m"},
		{"a number of minutes", []string{"--body", "-", "--at", "15", "--secret", productionSecret}, "write --at -15m"},
		{"a time in milliseconds", []string{"--body", "-", "--at", "1773651845000", "--secret", productionSecret}, "--at 1773651845000 is in milliseconds: give seconds"},
		{"not a tolerance", []string{"--body", "-", "--tolerance", "-1s", "--secret", productionSecret}, "--tolerance"},
		{"unknown flag", []string{"--sekret", "x"}, "unknown flag"},
		{"surplus argument", []string{"body.json"}, "body.json"},
		{"two secrets of one name", []string{"--body", "-", "--secret", "a=" + productionSecret, "--secret", "a=" + developmentSecret}, "give each its own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			res := run(t, caddy(t, slices.Concat(base, tt.args)...), "{}")
			if res.code != 2 || !strings.Contains(res.stderr, tt.want) || res.stdout != "" {
				t.Errorf("exit code %d, want 2; stderr %q, want %q in it; stdout %q", res.code, res.stderr, tt.want, res.stdout)
			}
			checkNoSecret(t, res)
		})
	}
}

func gzipped(body string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = io.WriteString(w, body)
	_ = w.Close()
	return b.String()
}
