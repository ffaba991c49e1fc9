package config

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
)

const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

type options struct {
	Name  string            `json:"name"`
	Count int               `json:"count"`
	Parts []map[string]bool `json:"parts"`
	Keys  []string          `json:"keys"`
}

func TestDecode(t *testing.T) {
	const misplaced = ": a secret does not belong here: put a signing secret into secret[].value of clerk_webhook"
	for _, test := range []struct{ name, json, want string }{
		{"nothing", `{}`, ""},
		{"a secret where one belongs", `{"keys": ["` + secret + `"]}`, ""},
		{"the same in capitals, which the decoder ignores", `{"KEYS": ["` + secret + `"]}`, ""},
		{"a secret elsewhere", `{"name": "` + secret + `"}`, "name" + misplaced},
		{"a secret in a list", `{"parts": [{}, "` + secret + `"]}`, "parts[]" + misplaced},
		{"a secret in an object of a list", `{"parts": [{"a": true}, {"b": "x` + secret + `"}]}`, "parts[].b" + misplaced},
		{"a secret that a later value replaces", `{"name": "` + secret + `", "name": "x"}`, "name" + misplaced},
		{"a secret deeper than where one belongs", `{"keys": [["` + secret + `"]]}`, "keys[][]" + misplaced},
		{"a secret as the name of an option", `{"` + secret + `": 1}`, "a secret stands where the name of an option belongs: put a signing secret into secret[].value of clerk_webhook"},
		{"an unknown option", `{"nam": 1}`, `json: unknown field "nam"`},
		{"text for a number", `{"count": "1"}`, "count: write a whole number, not text"},
		{"a fraction", `{"count": 1.5}`, "count: 1.5 is not a whole number, or too large"},
		{"a number for a list", `{"keys": 1}`, "keys: write a list, not a number"},
		{"an object for text", `{"keys": [{}]}`, "keys: write text, not an object"},
		{"a flag for a number", `{"count": true}`, "count: write a whole number, not true or false"},
		{"JSON that ends early", `{"name": `, "unexpected EOF"},
		{"what a check refuses", `{"name": "bad"}`, "name: it is bad"},
	} {
		t.Run(test.name, func(t *testing.T) {
			check := func(option string, value json.Token) error {
				if option == "name" && value == "bad" {
					return errors.New("it is bad")
				}
				return nil
			}
			err := Decode([]byte(test.json), new(options), check, "keys[]")
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != test.want || strings.Contains(got, secret) {
				t.Errorf("got the error %q, want %q", got, test.want)
			}
		})
	}
}
