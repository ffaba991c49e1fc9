package diagnosis

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const (
	testSecret  = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oDazYeZmFjdG8="
	otherSecret = "whsec_bm90IHRoZSBzYW1lIGtleSBhcyBpbiBwcm9kdWN0aW9u"
	testID      = "msg_2xHZGDSbWkZvBhOrZnCNYqGBMsT"
)

var signedAt = time.Unix(1773651845, 0)

func parseSecret(t testing.TB, text string) *signature.Key {
	t.Helper()
	secret, err := signature.ParseSecret(text)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// delivered is a delivery of body as Svix signs it with testSecret.
func delivered(t testing.TB, body string) Delivery {
	t.Helper()
	sig, err := parseSecret(t, testSecret).Sign(testID, signedAt, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return Delivery{
		Headers: map[string][]string{
			"Svix-Id":        {testID},
			"Svix-Timestamp": {strconv.FormatInt(signedAt.Unix(), 10)},
			"Svix-Signature": {sig},
		},
		Body:     []byte(body),
		Received: signedAt.Add(time.Second),
		Secrets:  []Secret{NewSecret("production", testSecret)},
	}
}

func codes(findings []Finding) string {
	var all []string
	for _, f := range findings {
		code := string(f.Code)
		if !f.Proven {
			code += "?"
		}
		all = append(all, code)
	}
	return strings.Join(all, " ")
}

func TestEveryEventSurvivesEncoders(t *testing.T) {
	encoders := []struct {
		name string
		encoding
	}{
		{"JSON.stringify(x, null, 2)", encoding{spacing: spacings[2], quoting: escaping("")}},
		{"Python's json.dumps", encoding{spacing: spacings[1], quoting: escaping("ascii")}},
		{"Go's json.MarshalIndent", encoding{spacing: spacings[4], quoting: escaping("<>&\u2028\u2029")}},
		{"PHP's JSON_PRETTY_PRINT", encoding{spacing: spacings[3], quoting: escaping("/ascii")}},
	}
	for i, eventType := range event.Catalogue() {
		example, _ := event.Example(eventType)
		compact, err := event.Canonical(example)
		if err != nil {
			t.Fatal(err)
		}
		d := delivered(t, string(compact))
		encoder := encoders[i%len(encoders)]
		t.Run(eventType+" through "+encoder.name, func(t *testing.T) {
			encoder.limit = 1 << 20
			d.Body = encodeTest(t, compact, encoder.encoding)
			r := Diagnose(d)
			if got := codes(r.Findings); r.Valid || got != "json_spacing" && got != "json_spacing json_escaping" {
				t.Errorf("valid %v, findings %s", r.Valid, got)
			}
		})
	}
}

func TestKeysAloneSuffice(t *testing.T) {
	key, other := parseSecret(t, testSecret), parseSecret(t, otherSecret)
	d := delivered(t, `{"type":"user.created"}`)
	d.Secrets = []Secret{{Name: "production", Key: key}}
	if r := Diagnose(d); !r.Valid || r.Secret != "production" || r.Type != "user.created" || r.Age != time.Second {
		t.Errorf("got %+v", r)
	}
	d.Secrets = []Secret{{Name: "production", Key: other}}
	d.OtherSecrets = []Secret{{Name: "billing", Key: key}}
	r := Diagnose(d)
	if r.Valid || r.Secret != "billing" || codes(r.Findings) != "secret_other" {
		t.Errorf("got %+v", r)
	}
}

func TestOtherSecretsMakeNothingValid(t *testing.T) {
	d := delivered(t, `{}`)
	d.OtherSecrets, d.Secrets = d.Secrets, nil
	if r := Diagnose(d); r.Valid || codes(r.Findings) != "secret_other" {
		t.Errorf("got %+v", r)
	}
}

func TestEd25519(t *testing.T) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := base64.StdEncoding.EncodeToString(private.Public().(ed25519.PublicKey))
	body := `{"type":"user.created"}`
	text := fmt.Sprintf("%s.%d.%s", testID, signedAt.Unix(), body)
	sig := "v1a," + base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(text)))

	tests := []struct {
		name   string
		secret string
		body   string
		want   string
	}{
		{"public key", "whpk_" + public, body, ""},
		{"public key without its prefix", public, body, "secret_prefix"},
		{"public key with the prefix of a secret", "whsec_" + public, body, "secret_prefix"},
		{"seed of the private key", "whsk_" + base64.StdEncoding.EncodeToString(private.Seed()), body, "secret_private_key"},
		{"private key", "whsk_" + base64.StdEncoding.EncodeToString(private), body, "secret_private_key"},
		{"public key in quotes, line end added", "'whpk_" + public + "'", body + "\n", "secret_quoted body_newline_added"},
		{"HMAC secret", testSecret, body, "signature_kind? secret_unknown?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := delivered(t, tt.body)
			d.Headers["Svix-Signature"] = []string{sig}
			d.Secrets = []Secret{NewSecret("sender", tt.secret)}
			r := Diagnose(d)
			if got := codes(r.Findings); got != tt.want || r.Valid != (tt.want == "") {
				t.Errorf("valid %v, findings %q, want %q", r.Valid, got, tt.want)
			}
		})
	}
}

func TestJSONThatCannotBeEncodedAgainIsLeftAlone(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":        `{"a":`,
		"a number":       `12.50`,
		"nested too far": strings.Repeat("[", maxDepth+2) + strings.Repeat("]", maxDepth+2),
	} {
		t.Run(name, func(t *testing.T) {
			eachEncoding([]byte(body), func(encoded []byte, _ ...Finding) bool {
				t.Errorf("encoded as %q", encoded)
				return false
			})
		})
	}
}

// worstCases are deliveries that keep a diagnosis busy. Most have size bytes.
func worstCases(t testing.TB, size int) map[string]Delivery {
	members := strings.Repeat(`"b<":"é/\u0001","a":[1,{}],`, size/30)
	bodies := map[string]string{
		"small":       `{"a":"<é","b":1}`,
		"large":       "{" + members + `"z":0}`,
		"deep":        strings.Repeat("["+strings.Repeat("0,", size/256), maxDepth) + "0" + strings.Repeat("]", maxDepth),
		"very deep":   strings.Repeat("[", 5000) + strings.Repeat("]", 5000),
		"line ends":   strings.Repeat("\r\n", size/2),
		"over 1 MiB":  strings.Repeat("x", 4<<20),
		"not ASCII":   `{"a":"` + strings.Repeat("ÿ", size/2-10) + `"}`,
		"not UTF-8":   strings.Repeat("\xff", size),
		"spaces only": strings.Repeat(" ", size),
	}
	cases := make(map[string]Delivery)
	for name, body := range bodies {
		d := delivered(t, "something else")
		d.Body = []byte(body)
		for i := range 8 {
			d.OtherSecrets = append(d.OtherSecrets, NewSecret(strconv.Itoa(i), `"`+signature.GenerateSecret()+` \n"`))
		}
		for i := range 40 {
			d.Headers["Svix-Id"] = append(d.Headers["Svix-Id"], "msg_"+strconv.Itoa(i))
		}
		cases[name] = d
		single := d
		single.Headers = maps.Clone(d.Headers)
		single.Headers["Svix-Id"] = []string{testID}
		cases[name+", single id"] = single
	}

	signatures := delivered(t, "something else")
	signatures.Headers["Svix-Signature"] = []string{strings.Repeat("v1a,"+strings.Repeat("A", 86)+"== ", 45)}
	for i := range 8 {
		public, _, _ := ed25519.GenerateKey(nil)
		signatures.Secrets = append(signatures.Secrets, NewSecret(strconv.Itoa(i), "whpk_"+base64.StdEncoding.EncodeToString(public)))
	}
	cases["public keys and many signatures"] = signatures
	long := delivered(t, "something else")
	long.Headers["Svix-Signature"] = []string{strings.Repeat("v1,%20 ", 1<<20)}
	cases["header of megabytes"] = long

	noKey := delivered(t, "something else")
	noKey.Headers["Svix-Timestamp"] = []string{"99999999999"} // the longest search for another timestamp
	noKey.Secrets = []Secret{NewSecret("production", testSecret[:20])}
	cases["no secret that is usable"] = noKey
	for name, bomb := range bombs(t) {
		bomb.OtherSecrets = cases["small"].OtherSecrets
		cases["compressed: "+name] = bomb
	}
	return cases
}

// The budget bounds the search. It is small here, and so are the bodies. The test
// with the build tag long has the full budget and the largest bodies.
func TestTimeIsBounded(t *testing.T) {
	checkTimeIsBounded(t, 1<<17, budget{bodies: 2 << 20, signatures: 4 << 20, timestamps: 2 << 20})
}

func checkTimeIsBounded(t *testing.T, size int, limits budget) {
	const limit = 30 * time.Second // a hundred times what it takes, for slow and busy machines
	for name, d := range worstCases(t, size) {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := diagnose(d, limits)
			took := time.Since(start)
			t.Logf("%s, %s", took, codes(r.Findings))
			if took > limit {
				t.Errorf("took %s", took)
			}
			if r.Valid || len(r.Findings) == 0 {
				t.Errorf("valid %v, findings %s", r.Valid, codes(r.Findings))
			}
		})
	}
}

func FuzzDiagnose(f *testing.F) {
	d := delivered(f, `{"a":"<é/","b":[1.0,{}]}`)
	sig := d.Headers["Svix-Signature"][0]
	at := signedAt.Unix()
	f.Add(testID, strconv.FormatInt(at, 10), sig, d.Body, testSecret, at, false)
	f.Add(testID, strconv.FormatInt(at, 10), sig, []byte("{ \"a\": \"\\u003c\u00e9\\/\" }\r\n"), testSecret, at+1000, false)
	f.Add(`"`+testID+`"`, strconv.FormatInt(at*1000, 10), "v1,a b%20", []byte("\ufeff"), `"whsec_ x\n"`, at, true)
	f.Add("", "2026-03-16T09:04:05Z", "", []byte("\"e30=\""), "whsk_AAAA", at, true)
	f.Add(testID, strconv.FormatInt(at, 10), sig, []byte(compress(f, `{"a":1}`, gzipWriter)), testSecret, at, false)
	f.Add(testID, strconv.FormatInt(at, 10), sig, []byte(compress(f, `{"a":1}`, zstdWriter)), testSecret, at, false)
	f.Add(testID, strconv.FormatInt(at, 10), sig, []byte(compress(f, `{"a":1}`, flateWriter)), testSecret, at, true)
	f.Add("msg", "1e300", "v1a,x v1,", []byte("\xff\xfe{\x00"), "whpk_=", int64(-1<<62), true)

	limits := budget{bodies: 1 << 20, signatures: 1 << 20, timestamps: 1 << 18}
	f.Fuzz(func(t *testing.T, id, timestamp, signatures string, body []byte, secret string, received int64, repeat bool) {
		d := Delivery{
			Headers: map[string][]string{
				"svix-id":        {id},
				"SVIX-TIMESTAMP": {timestamp},
				"Svix-Signature": {signatures},
			},
			Body:     body,
			Received: time.Unix(received, 0),
			Secrets:  []Secret{NewSecret("1", secret), NewSecret("2", testSecret)},
		}
		if repeat {
			d.Headers["Svix-Id"] = []string{testID}
			d.Headers["Content-Encoding"] = []string{"deflate"}
		}
		start := time.Now()
		r := diagnose(d, limits)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("took %s", took)
		}
		if want := accepts(d); r.Valid != want {
			t.Errorf("valid %v, and the guard says %v: %s", r.Valid, want, codes(r.Findings))
		}
		if r.Valid != (len(r.Findings) == 0) {
			t.Errorf("valid %v with findings %q", r.Valid, codes(r.Findings))
		}
		for _, f := range r.Findings {
			if f.Code == "" || f.Message == "" {
				t.Errorf("empty finding %+v", f)
			}
			if strings.Contains(f.Message, testSecret[6:]) || len(secret) > 40 && strings.Contains(f.Message, secret) {
				t.Errorf("message holds a secret: %s", f.Message)
			}
		}
	})
}

// accepts decides as the guard does.
func accepts(d Delivery) bool {
	header := make(http.Header)
	for name, values := range d.Headers {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	h, err := signature.ParseHeaders(header)
	if err != nil || h.CheckFreshness(d.Received, DefaultTolerance) != nil {
		return false
	}
	var keys []*signature.Key
	for _, s := range d.Secrets {
		if key, err := s.Parse(); err == nil {
			keys = append(keys, key)
		}
	}
	_, err = signature.Verify(keys, &h, d.Body)
	return err == nil
}

func encodeTest(t testing.TB, body []byte, e encoding) []byte {
	t.Helper()
	tree, ok := parseJSON(body)
	if !ok {
		t.Fatalf("cannot parse %s", body)
	}
	return tree.encode(nil, e, 0)
}
