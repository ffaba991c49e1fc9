// Package config decodes the JSON configuration of the plugin's modules. What it
// refuses is never repeated in an error if it is a signing secret.
package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// Decode decodes the JSON object of a module as Caddy does, so it refuses unknown
// options. Before that, it refuses signing secrets in options other than secretOptions.
// They would get into logs or into metrics. It also calls check, which may be nil, with
// each option and the first token of its value. No error repeats what may be a secret.
//
// An option of an object is called "object.option", and one of the objects in a list
// "list[].option".
func Decode(raw []byte, into any, check func(option string, value json.Token) error, secretOptions ...string) error {
	s := &scanner{decoder: json.NewDecoder(bytes.NewReader(raw)), check: check, secretOptions: secretOptions}
	err := s.value("")
	if err == nil || isSyntax(err) { // of the syntax, the decoder tells more
		err = explain(caddy.StrictUnmarshalJSON(raw, into))
	}
	return signature.RedactError(err)
}

func isSyntax(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// scanner walks through JSON. Unlike a map, it sees every value of a repeated name.
type scanner struct {
	decoder       *json.Decoder
	check         func(option string, value json.Token) error
	secretOptions []string
}

// value reads the next value, which is that of the option.
func (s *scanner) value(option string) error {
	token, err := s.decoder.Token()
	if err != nil {
		return err
	}
	if text, isText := token.(string); isText && signature.HoldsSecret(text) && !s.isForSecrets(option) {
		return fmt.Errorf("%s: a secret does not belong here: put a signing secret into secret[].value of clerk_webhook", option)
	}
	if option != "" && s.check != nil {
		if err := s.check(option, token); err != nil {
			return fmt.Errorf("%s: %w", option, err)
		}
	}
	switch token {
	case json.Delim('['):
		err = s.elements(option + "[]")
	case json.Delim('{'):
		err = s.members(option)
	default:
		return nil
	}
	if err == nil {
		_, err = s.decoder.Token() // the end
	}
	return err
}

// isForSecrets ignores the case of letters, as the decoder does.
func (s *scanner) isForSecrets(option string) bool {
	return slices.ContainsFunc(s.secretOptions, func(o string) bool { return strings.EqualFold(o, option) })
}

func (s *scanner) elements(option string) error {
	for s.decoder.More() {
		if err := s.value(option); err != nil {
			return err
		}
	}
	return nil
}

func (s *scanner) members(object string) error {
	for s.decoder.More() {
		token, err := s.decoder.Token()
		if err != nil {
			return err
		}
		name, _ := token.(string)
		if signature.HoldsSecret(name) {
			return errors.New("a secret stands where the name of an option belongs: put a signing secret into secret[].value of clerk_webhook")
		}
		if object != "" {
			name = object + "." + name
		}
		if err := s.value(name); err != nil {
			return err
		}
	}
	return nil
}

// explain says in words what the decoder says in terms of Go.
func explain(err error) error {
	var mistake *json.UnmarshalTypeError
	if !errors.As(err, &mistake) || mistake.Field == "" {
		return err
	}
	if number, isNumber := strings.CutPrefix(mistake.Value, "number "); isNumber {
		return fmt.Errorf("%s: %s is not a whole number, or too large", mistake.Field, number)
	}
	return fmt.Errorf("%s: write %s, not %s", mistake.Field, kindOf(mistake.Type), found[mistake.Value])
}

// found is how the decoder calls what it has found, in words.
var found = map[string]string{
	"string": "text", "number": "a number", "bool": "true or false", "array": "a list", "object": "an object",
}

// kindOf says what JSON a type takes.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "a list"
	default:
		return "an object"
	}
}
