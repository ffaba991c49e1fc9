package stores

import (
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
)

// Resolve replaces the placeholders in an argument of a store, such as
// {env.REDIS_URL} or {file./run/secrets/redis}. If one has no value, it returns an
// error that names the placeholder. No error repeats a value, since it may have a
// password.
//
// Keep the argument as it was written in the field that is marshalled, so that the
// exported config has no password.
func Resolve(argument string) (string, error) {
	return caddy.NewReplacer().ReplaceFunc(argument, func(name string, value any) (any, error) {
		text := strings.TrimSpace(caddy.ToString(value))
		if text == "" {
			return nil, explainEmpty(name)
		}
		return text, nil
	})
}

func explainEmpty(placeholder string) error {
	if variable, ok := strings.CutPrefix(placeholder, "env."); ok {
		if _, isSet := os.LookupEnv(variable); isSet {
			return fmt.Errorf("the placeholder {%s} has no value: the environment variable %s is empty", placeholder, variable)
		}
		return fmt.Errorf("the placeholder {%s} has no value: the environment variable %s is not set", placeholder, variable)
	}
	if path, ok := strings.CutPrefix(placeholder, "file."); ok {
		if _, err := os.ReadFile(path); err != nil {
			return fmt.Errorf("the placeholder {%s} has no value: %w", placeholder, err)
		}
		return fmt.Errorf("the placeholder {%s} has no value: the file is empty", placeholder)
	}
	return fmt.Errorf("the placeholder {%s} has no value: use {env.NAME} or {file./path} here", placeholder)
}
