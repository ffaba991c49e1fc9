package signature

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// vector is one published test vector of Svix's libraries or of the Standard
// Webhooks specification.
type vector struct {
	Name    string            `json:"name"`
	Secret  string            `json:"secret"`
	Headers map[string]string `json:"headers"`
	Body    string            `json:"body"`
	Repeat  *struct {
		Text  string `json:"text"`
		Count int    `json:"count"`
	} `json:"body_repeat"`
	Now    int64  `json:"now"`
	Expect string `json:"expect"`
	Error  string `json:"error"`

	ExpectEd25519 string `json:"expect_ed25519"`
	Ed25519       *struct {
		Public string `json:"public"`
		Secret string `json:"secret"`
	} `json:"ed25519"`
}

// reasonsOfVectors translates the names of the vectors' errors.
var reasonsOfVectors = map[string]Reason{
	"missing_header": MissingHeader,
	"bad_timestamp":  MalformedHeader,
	"too_old":        TooOld,
	"too_new":        TooNew,
	"no_match":       Mismatch,
}

// decidedVectors says what becomes of a secret where this package is stricter
// than the vectors, or where they leave it to the implementation: the error of
// ParseSecret.
var decidedVectors = map[string]string{
	"sign: svix docs example signature":                                tooShort18, // an illustration; keys that Svix makes have 24 bytes
	"secret: unpadded base64 MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS":          tooShort23,
	"secret: unpadded base64 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS":    tooShort23,
	"secret: unpadded base64 MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr":       noError,
	"secret: unpadded base64 whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr": noError,
}

const (
	noError    = "<nil>"
	tooShort18 = "it decodes to 18 bytes, but needs at least 24: copy all of it, from whsec_ to the end"
	tooShort23 = "it decodes to 23 bytes, but needs at least 24: copy all of it, from whsec_ to the end"
)

func readVectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []vector
	if err := json.Unmarshal(file, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func (v vector) header() http.Header {
	h := make(http.Header)
	for name, value := range v.Headers {
		h.Set(name, value)
	}
	return h
}

func (v vector) body() []byte {
	if v.Repeat != nil {
		return []byte(strings.Repeat(v.Repeat.Text, v.Repeat.Count))
	}
	return []byte(v.Body)
}

// check takes the vector through all steps of a verification, on its own clock.
func (v vector) check(secret *Key) error {
	h, err := ParseHeaders(v.header())
	if err != nil {
		return err
	}
	if err := h.CheckFreshness(time.Unix(v.Now, 0), 5*time.Minute); err != nil {
		return err
	}
	_, err = Verify([]*Key{secret}, &h, v.body())
	return err
}

func TestPublishedVectors(t *testing.T) {
	vectors := readVectors(t)
	if len(vectors) != 46 {
		t.Fatalf("there are %d vectors, want all 46", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			secret, err := ParseSecret(v.Secret)
			if got, want := fmt.Sprint(err), v.secretError(t); got != want {
				t.Fatalf("ParseSecret: error %s, want %s", got, want)
			}
			if v.Error == "empty_secret" {
				return
			}
			if err != nil {
				secret = v.shortSecret(t)
			}
			err = v.check(secret)
			if got, want := reasonOf(t, err), v.reason(t); got != want {
				t.Errorf("reason %q (%v), want %q", got, err, want)
			}
		})
	}
}

// secretError is what ParseSecret says about the vector's secret, "<nil>" if it
// takes it.
func (v vector) secretError(t *testing.T) string {
	switch {
	case v.Error == "empty_secret" && v.Secret == "":
		return "it is empty"
	case v.Error == "empty_secret":
		return "it decodes to 0 bytes, but needs at least 24: copy all of it, from whsec_ to the end"
	}
	decision, decided := decidedVectors[v.Name]
	if decided {
		return decision
	}
	if v.Expect == "impl-defined" {
		t.Fatal("nothing says what is expected of this vector")
	}
	return noError
}

// shortSecret returns the vector's secret although ParseSecret refuses it for
// its length, to check the arithmetic all the same.
func (v vector) shortSecret(t *testing.T) *Key {
	key, err := decodeKey(strings.TrimPrefix(v.Secret, "whsec_"))
	if err != nil {
		t.Fatal(err)
	}
	secret := &Key{keyMaterial: &keyMaterial{hmacKey: key}}
	secret.states.New = func() any { return newHMACState(key) }
	return secret
}

// reason is why the vector is refused, "" if it is genuine.
func (v vector) reason(t *testing.T) Reason {
	if v.Expect == "ok" || v.Expect == "impl-defined" {
		return ""
	}
	reason, known := reasonsOfVectors[v.Error]
	if v.Expect != "error" || !known {
		t.Fatalf("unknown expectation %q, %q", v.Expect, v.Error)
	}
	return reason
}

func TestPublishedEd25519Vectors(t *testing.T) {
	tested := 0
	for _, v := range readVectors(t) {
		if v.Ed25519 == nil {
			continue
		}
		tested++
		t.Run(v.Name, func(t *testing.T) {
			if v.ExpectEd25519 != "ok" {
				t.Fatalf("unknown expectation %q", v.ExpectEd25519)
			}
			if err := v.check(mustParseSecret(t, v.Ed25519.Public)); err != nil {
				t.Errorf("the public key refuses it: %v", err)
			}
			if _, err := ParseSecret(v.Ed25519.Secret); err == nil {
				t.Error("the sender's private key is taken for a receiver's secret")
			}
			v.Body += " "
			if got := reasonOf(t, v.check(mustParseSecret(t, v.Ed25519.Public))); got != Mismatch {
				t.Errorf("with another body: reason %q, want %q", got, Mismatch)
			}
		})
	}
	if tested == 0 {
		t.Fatal("no vector has an Ed25519 key")
	}
}
