package clerkwebhook

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/placeholder"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

const whereToFindSecret = "the Clerk Dashboard shows it under Configure > Webhooks > (your endpoint) > Signing Secret"

// Secret is the signing secret of one sender, or several while it is rotated.
type Secret struct {
	// Tells secrets apart in logs, metrics and placeholders, such as "production"
	// or "development". Default: the position in the list, from 1.
	Name string `json:"name,omitempty"`

	// The secret as the sender shows it: `whsec_…` for HMAC-SHA256, with a key of
	// at least 24 bytes, or `whpk_…` for an Ed25519 public key. Caddy replaces the
	// placeholders `{env.NAME}` and `{file./path}` when it loads the config. It is
	// an error if one has no value.
	Value string `json:"value,omitempty"`

	// Further secrets of the same sender, for the time of a rotation. In Clerk,
	// you rotate with a second endpoint of the same URL, so each event comes
	// twice under one id, signed with either secret. `deduplicate` forwards it
	// once. Their order has no meaning. Their names are that of the first with
	// `/2`, `/3` and so on. Default: none.
	Rotation []string `json:"rotation,omitempty"`
}

// values returns all values of s, the first one first.
func (s Secret) values() []string { return append([]string{s.Value}, s.Rotation...) }

// names returns the name of each value of s, which is at the index of a list.
func (s Secret) names(index int) []string {
	first := s.nameAt(index)
	names := []string{first}
	for i := range s.Rotation {
		names = append(names, first+"/"+strconv.Itoa(i+2))
	}
	return names
}

// keyring has the keys of all values of a guard's secrets. At the same index, it has
// the name of each, and which Secret it belongs to.
type keyring struct {
	keys  []*signature.Key
	names []string
	lines []int
}

// resolveSecrets names the unnamed secrets and returns the keys of all, in their
// order. The values keep their placeholders, so the exported config has no keys.
func resolveSecrets(secrets []Secret, logger *zap.Logger) (ring keyring, err error) {
	for i := range secrets {
		s := &secrets[i]
		s.Name = s.nameAt(i)
		if err := checkSecretName(s.Name); err != nil {
			return keyring{}, fmt.Errorf("secret: %w", err)
		}
		if err := checkUnique(secrets[:i], *s); err != nil {
			return keyring{}, fmt.Errorf("secret: %w", err)
		}
		names := s.names(i)
		for n, value := range s.values() {
			key, err := resolve(value)
			if err != nil {
				return keyring{}, fmt.Errorf("secret %q: %w", names[n], err)
			}
			ring.keys = append(ring.keys, key)
			ring.names = append(ring.names, names[n])
			ring.lines = append(ring.lines, i)
		}
	}
	ring.warn(logger)
	return ring, nil
}

// warn warns about keys that are valid but probably a mistake.
func (kr keyring) warn(logger *zap.Logger) {
	sameKey := make(map[[32]byte]string)
	for i, key := range kr.keys {
		name := kr.names[i]
		if key.Published() {
			logger.Warn("this signing secret is a published example, so anyone can sign deliveries with it; replace it with your endpoint's own secret",
				zap.String("secret", name))
		}
		if key.Guessable() {
			logger.Warn("this signing secret has an obvious pattern, so others may guess it and sign deliveries; replace it with your endpoint's own secret",
				zap.String("secret", name))
		}
		if key.IsText() {
			logger.Warn("this signing secret was probably encoded twice, because it decodes to another secret (whsec_…); the guard refuses every delivery, unless your sender signs with that text: give the secret as the dashboard shows it",
				zap.String("secret", name))
		}
		fingerprint := key.Fingerprint()
		if twin, isTwin := sameKey[fingerprint]; isTwin {
			logger.Warn("two secrets have the same key; after you rotate the secret, give the second secret its own key",
				zap.String("secret", twin), zap.String("same_as", name))
		}
		sameKey[fingerprint] = name
	}
}

// scopes returns, for each key, the fingerprints of all keys of its sender. They are
// in an order that does not depend on the configuration.
func (kr keyring) scopes() [][]fingerprint {
	byLine := make(map[int][]fingerprint)
	for i, key := range kr.keys {
		byLine[kr.lines[i]] = append(byLine[kr.lines[i]], key.Fingerprint())
	}
	scopes := make([][]fingerprint, len(kr.keys))
	for i, line := range kr.lines {
		scope := byLine[line]
		slices.SortFunc(scope, func(a, b fingerprint) int { return bytes.Compare(a[:], b[:]) })
		scopes[i] = slices.Compact(scope)
	}
	return scopes
}

type fingerprint = [sha256.Size]byte

func (s Secret) nameAt(index int) string {
	if s.Name != "" {
		return s.Name
	}
	return strconv.Itoa(index + 1)
}

// checkUnique returns an error if s comes after the others and has the name of one
// of them.
func checkUnique(others []Secret, s Secret) error {
	names := s.names(len(others))
	for i, other := range others {
		for _, name := range other.names(i) {
			if slices.Contains(names, name) {
				return fmt.Errorf("two secrets have the name %q: give each its own", name)
			}
		}
	}
	return nil
}

func resolve(value string) (*signature.Key, error) {
	text, err := placeholder.Resolve(value, remedyFor(value))
	if err != nil {
		return nil, err
	}
	key, err := signature.ParseSecret(text)
	if err == nil {
		return key, key.SelfTest()
	}
	source := strings.Join(placeholderPattern.FindAllString(value, -1), "")
	if source != "" {
		source = "the value of " + source + ": "
	}
	return nil, fmt.Errorf("%s%w; %s", source, err, whereToFindSecret)
}

var placeholderPattern = regexp.MustCompile(`{[^{}]*}`)

// remedyFor says what to do if a placeholder in the value has none.
func remedyFor(value string) string {
	if strings.Contains(value, "{env."+signature.SecretVariable+"}") && strings.TrimSpace(os.Getenv(signature.TutorialVariable)) != "" {
		return fmt.Sprintf(", but %s is set: rename that one, or write secret {env.%[1]s}", signature.TutorialVariable)
	}
	return "; put the endpoint's signing secret (whsec_…) there: " + whereToFindSecret
}

// checkSecretName catches a secret where its name belongs. Names are public, so
// the error does not repeat it.
func checkSecretName(name string) error {
	if isSecretValue(name) {
		return errors.New("a secret is given where its name belongs: write the name first")
	}
	return checkName(name)
}

// isSecretValue tells a secret from a name.
func isSecretValue(text string) bool {
	return isKey(text) || signature.HoldsSecret(text) || strings.Contains(text, "{")
}

// isKey reports whether a text can be used as a signing secret, also without a prefix.
func isKey(text string) bool {
	_, err := signature.ParseSecret(text)
	return err == nil
}

// mayBeSecret reports whether a text may be a secret, or hold one.
func mayBeSecret(text string) bool { return isKey(text) || signature.MayHoldSecret(text) }

// shown quotes a text of the configuration for an error, unless it may be a secret.
func shown(text string) string {
	if mayBeSecret(text) {
		return "a secret"
	}
	return "'" + text + "'"
}
