// Package placeholder replaces placeholders in secrets of the configuration.
package placeholder

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// ErrSecret says that a placeholder is a secret, and does not repeat it.
var ErrSecret = errors.New("a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}")

// Resolve replaces the placeholders in a value of the configuration. If one has no
// value, it returns an error that names it. If its variable or file is empty, the error
// goes on with remedy, which may be empty. No error repeats a value. None repeats a
// secret or the address of a database that is written in braces.
func Resolve(text, remedy string) (string, error) {
	for _, file := range files.FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(file[1]); err != nil && signature.MayHoldSecret(file[1]) {
			return "", ErrSecret // before Caddy logs the name
		}
	}
	return caddy.NewReplacer().ReplaceFunc(text, func(placeholder string, value any) (any, error) {
		if text := strings.TrimSpace(caddy.ToString(value)); text != "" {
			return text, nil
		}
		return nil, explainEmpty(placeholder, remedy)
	})
}

var files = regexp.MustCompile(`{file\.([^{}]*)}`)

func explainEmpty(placeholder, remedy string) error {
	if signature.MayHoldSecret(placeholder) || strings.Contains(placeholder, "://") || strings.ContainsAny(placeholder, "=@") {
		return ErrSecret
	}
	if name, ok := strings.CutPrefix(placeholder, "http.request.uri.path.file."); ok {
		return fmt.Errorf("{file.%s} is read as a part of a request's path: write {file./path/to/%[1]s} or {file../%[1]s}", name)
	}
	return fmt.Errorf("the placeholder {%s} has no value: %w", placeholder, explainSource(placeholder, remedy))
}

// explainSource says why the variable or the file of a placeholder gives no value.
func explainSource(placeholder, remedy string) error {
	if variable, ok := strings.CutPrefix(placeholder, "env."); ok {
		if _, isSet := os.LookupEnv(variable); isSet {
			return fmt.Errorf("the environment variable %s is empty%s", variable, remedy)
		}
		return fmt.Errorf("the environment variable %s is not set%s", variable, remedy)
	}
	if path, ok := strings.CutPrefix(placeholder, "file."); ok {
		if _, err := os.ReadFile(path); err != nil {
			return err
		}
		return fmt.Errorf("the file %s is empty%s", path, remedy)
	}
	return errors.New("use {env.NAME} or {file./path} here")
}
