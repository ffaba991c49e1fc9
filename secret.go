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

// defaultSecretVariable is the variable that Clerk's own SDKs read.
const defaultSecretVariable = "CLERK_WEBHOOK_SIGNING_SECRET"

const whereToFindSecret = "the Clerk Dashboard shows it under Configure > Webhooks > (your endpoint) > Signing Secret"

// Secret is one signing secret of an endpoint.
type Secret struct {
	// Tells secrets apart in logs, metrics and placeholders, such as
	// "production" or "previous". Default: the position in the list, from 1.
	Name string `json:"name,omitempty"`

	// The secret as the sender shows it: `whsec_…` for HMAC-SHA256, with a key
	// of at least 24 bytes, or `whpk_…` for an Ed25519 public key. The
	// placeholders `{env.NAME}` and `{file./path}` are resolved when the config
	// is loaded, and must then have a value.
	Value string `json:"value,omitempty"`
}

// resolveSecrets names the unnamed secrets and returns the keys of all, in
// their order. The values with their placeholders stay as they are, so that the
// config can be exported without the keys.
func resolveSecrets(secrets []Secret, logger *zap.Logger) ([]*signature.Secret, error) {
	keys := make([]*signature.Secret, len(secrets))
	names := make(map[string]bool)
	sameKey := make(map[[32]byte]string)
	for i := range secrets {
		s := &secrets[i]
		if s.Name == "" {
			s.Name = strconv.Itoa(i + 1)
		}
		if err := checkSecretName(s.Name); err != nil {
			return nil, fmt.Errorf("secret: %w", err)
		}
		if names[s.Name] {
			return nil, fmt.Errorf("secret %q: two secrets have this name: give each its own", s.Name)
		}
		names[s.Name] = true

		var err error
		if keys[i], err = s.resolve(); err != nil {
			return nil, fmt.Errorf("secret %q: %w", s.Name, err)
		}
		fingerprint := keys[i].Fingerprint()
		if twin, isTwin := sameKey[fingerprint]; isTwin {
			logger.Warn("two secrets have the same key; is one of them still to be rotated?",
				zap.String("secret", twin), zap.String("same_as", s.Name))
		}
		sameKey[fingerprint] = s.Name
	}
	return keys, nil
}

func (s Secret) resolve() (*signature.Secret, error) {
	value, err := caddy.NewReplacer().ReplaceFunc(s.Value, func(name string, value any) (any, error) {
		if strings.TrimSpace(caddy.ToString(value)) != "" {
			return value, nil
		}
		return nil, fmt.Errorf("the placeholder {%s} has no value: %s", name, explainEmpty(name))
	})
	if err != nil {
		return nil, err
	}
	key, err := signature.ParseSecret(value)
	if err != nil {
		return nil, fmt.Errorf("%w; %s", err, whereToFindSecret)
	}
	return key, key.SelfTest()
}

// explainEmpty says why a placeholder has no value and what to do.
func explainEmpty(placeholder string) string {
	if variable, ok := strings.CutPrefix(placeholder, "env."); ok {
		state := "is empty"
		if _, isSet := os.LookupEnv(variable); !isSet {
			state = "is not set"
		}
		return fmt.Sprintf("the environment variable %s %s; set it to the endpoint's signing secret (whsec_…): %s", variable, state, whereToFindSecret)
	}
	if path, ok := strings.CutPrefix(placeholder, "file."); ok {
		if _, err := os.ReadFile(path); err != nil {
			return err.Error()
		}
		return fmt.Sprintf("the file %s is empty", path)
	}
	return "only {env.NAME} and {file./path} can be used here"
}

// checkSecretName catches, without repeating it, a secret that is given where
// its name belongs: names are public.
func checkSecretName(name string) error {
	for _, prefix := range []string{"whsec_", "whpk_", "whsk_", "{"} {
		if strings.HasPrefix(name, prefix) {
			return errors.New("a secret stands in place of its name: the name comes first")
		}
	}
	return checkName(name)
}
