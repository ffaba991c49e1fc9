package clerkwebhook

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const whereToFindSecret = "the Clerk Dashboard shows it under Configure > Webhooks > (your endpoint) > Signing Secret"

// Secret is one signing secret of an endpoint.
type Secret struct {
	// Tells secrets apart in logs, metrics and placeholders, such as "production"
	// or "previous". Default: the position in the list, from 1.
	Name string `json:"name,omitempty"`

	// The secret as the sender shows it: `whsec_…` for HMAC-SHA256, with a key of
	// at least 24 bytes, or `whpk_…` for an Ed25519 public key. Caddy replaces the
	// placeholders `{env.NAME}` and `{file./path}` when it loads the config. It is
	// an error if one has no value.
	Value string `json:"value,omitempty"`
}

// resolveSecrets names the unnamed secrets and returns the keys of all, in their
// order. The values keep their placeholders, so the exported config has no keys.
func resolveSecrets(secrets []Secret, logger *zap.Logger) ([]*signature.Key, error) {
	keys := make([]*signature.Key, len(secrets))
	sameKey := make(map[[32]byte]string)
	for i := range secrets {
		s := &secrets[i]
		s.Name = s.nameAt(i)
		if err := checkSecretName(s.Name); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		if err := checkUnique(secrets[:i], *s); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}

		var err error
		if keys[i], err = s.resolve(); err != nil {
			return nil, fmt.Errorf("secret %q: %w", s.Name, err)
		}
		if keys[i].Published() {
			logger.Warn("this signing secret is a published example, so anyone can sign deliveries with it; replace it with your endpoint's own secret",
				zap.String("secret", s.Name))
		}
		if keys[i].IsText() {
			logger.Warn("this signing secret decodes to the text of another secret (whsec_…); unless your sender signs with that text, every delivery is refused: give the secret as the dashboard shows it",
				zap.String("secret", s.Name))
		}
		fingerprint := keys[i].Fingerprint()
		if twin, isTwin := sameKey[fingerprint]; isTwin {
			logger.Warn("two secrets have the same key; give the second its own once the secret is rotated",
				zap.String("secret", twin), zap.String("same_as", s.Name))
		}
		sameKey[fingerprint] = s.Name
	}
	return keys, nil
}

func (s Secret) nameAt(index int) string {
	if s.Name != "" {
		return s.Name
	}
	return strconv.Itoa(index + 1)
}

// checkUnique returns an error if s comes after the others and has the name of one
// of them.
func checkUnique(others []Secret, s Secret) error {
	name := s.nameAt(len(others))
	for i, other := range others {
		if other.nameAt(i) == name {
			return fmt.Errorf("two secrets have the name %q: give each its own", name)
		}
	}
	return nil
}

func (s Secret) resolve() (*signature.Key, error) {
	source := ""
	value, err := caddy.NewReplacer().ReplaceFunc(s.Value, func(name string, value any) (any, error) {
		if strings.TrimSpace(caddy.ToString(value)) == "" {
			return nil, explainEmpty(name)
		}
		source = "the value of {" + name + "}: "
		return value, nil
	})
	if err != nil {
		return nil, err
	}
	key, err := signature.ParseSecret(value)
	if err != nil {
		return nil, fmt.Errorf("%s%w; %s", source, err, whereToFindSecret)
	}
	return key, key.SelfTest()
}

func explainEmpty(placeholder string) error {
	if variable, ok := strings.CutPrefix(placeholder, "env."); ok && !holdsSecret(variable) {
		state := "is empty"
		if _, isSet := os.LookupEnv(variable); !isSet {
			state = "is not set"
		}
		if variable == signature.SecretVariable && strings.TrimSpace(os.Getenv(signature.TutorialVariable)) != "" {
			return fmt.Errorf("the placeholder {%s} has no value: the environment variable %s %s, but %s is set: rename that one, or write secret {env.%[4]s}", placeholder, variable, state, signature.TutorialVariable)
		}
		return fmt.Errorf("the placeholder {%s} has no value: the environment variable %s %s; set it to the endpoint's signing secret (whsec_…): %s", placeholder, variable, state, whereToFindSecret)
	}
	if path, ok := strings.CutPrefix(placeholder, "file."); ok && !strings.HasPrefix(path, "whsec_") {
		return fmt.Errorf("the placeholder {%s} has no value: %w", placeholder, explainEmptyFile(path))
	}
	if name, ok := strings.CutPrefix(placeholder, "http.request.uri.path.file."); ok && !holdsSecret(name) {
		return fmt.Errorf("{file.%s} is read as a part of a request's path: write {file./path/to/%[1]s} or {file../%[1]s}", name)
	}
	if holdsSecret(placeholder) {
		return errors.New("a secret is written in braces: remove the braces, or put the secret into an environment variable and write {env.NAME}")
	}
	return fmt.Errorf("the placeholder {%s} has no value: use {env.NAME} or {file./path} here", placeholder)
}

func explainEmptyFile(path string) error {
	if _, err := os.ReadFile(path); err != nil {
		return err
	}
	return fmt.Errorf("the file %s is empty; write the endpoint's signing secret (whsec_…) into it: %s", path, whereToFindSecret)
}

// checkSecretName catches a secret where its name belongs. Names are public, so
// the error does not repeat it.
func checkSecretName(name string) error {
	_, notASecret := signature.ParseSecret(name)
	if notASecret == nil || holdsSecret(name) || strings.Contains(name, "{") {
		return errors.New("a secret is given where its name belongs: write the name first")
	}
	return checkName(name)
}

// holdsSecret reports whether a text that must not have a secret has one.
func holdsSecret(text string) bool {
	for _, prefix := range []string{"whsec_", "whpk_", "whsk_"} {
		if strings.Contains(text, prefix) {
			return true
		}
	}
	return false
}
