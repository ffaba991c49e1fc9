package command

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func newSecretCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secret",
		Short: "Print a new signing secret",
		Long: `
Prints a new random signing secret (32 bytes, HMAC-SHA256), in the form that the
Clerk Dashboard shows.

With --listen-token, the command prints no secret. It prints one token for each of
your secrets, one per line. Anyone who has the token can listen at the endpoint's
relay and read its deliveries, but cannot sign deliveries. You need a token only for
a client other than 'listen'.
`,
		Example: `  $ export CLERK_WEBHOOK_SIGNING_SECRET="$(caddy clerk-webhook secret)"
  $ caddy clerk-webhook secret --listen-token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if isWanted, _ := cmd.Flags().GetBool("listen-token"); isWanted {
				return usageError(cmd, printListenTokens(cmd))
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), signature.GenerateSecret())
			return err
		},
	}
	addSecretFlags(cmd)
	cmd.Flags().Bool("listen-token", false, "Print a token with which others can listen at your relay, but not sign")
	return cmd
}

func printListenTokens(cmd *cobra.Command) error {
	secrets, err := requireSecrets(cmd, newInput(cmd))
	if err != nil {
		return err
	}
	for _, secret := range secrets {
		key, err := secret.Parse()
		if err != nil {
			return err
		}
		token := key.ListenToken()
		if token == "" {
			return fmt.Errorf("%v: a public key (whpk_…) is no secret, so it has no token: give the endpoint's whsec_ secret", secret)
		}
		if _, err := fmt.Fprintln(cmd.OutOrStdout(), token); err != nil {
			return err
		}
	}
	return nil
}

const (
	secretFlag     = "secret"
	secretFileFlag = "secret-file"
)

func addSecretFlags(cmd *cobra.Command) {
	cmd.Flags().StringArray(secretFlag, nil, "Signing secret, [name=]whsec_… (repeatable; other users of this machine can see it while the command runs)")
	cmd.Flags().StringArray(secretFileFlag, nil, "File with a signing secret; - is standard input (repeatable)")
	_ = cmd.MarkFlagFilename(secretFileFlag)
}

// readSecrets returns the secrets of the flags. Without such a flag it returns the
// secret of the environment, if there is one.
func readSecrets(cmd *cobra.Command, in *input) ([]diagnosis.Secret, error) {
	texts := valuesOf(cmd, secretFlag)
	for _, path := range valuesOf(cmd, secretFileFlag) {
		content, err := in.read(secretFileFlag, path)
		if err != nil {
			return nil, err
		}
		if strings.TrimSpace(string(content)) == "" {
			return nil, fmt.Errorf("--%s: %s is empty", secretFileFlag, path)
		}
		texts = append(texts, strings.TrimPrefix(string(content), signature.ByteOrderMark)) // a name behind it would not be found
	}
	if len(texts) == 0 {
		if text := os.Getenv(signature.SecretVariable); strings.TrimSpace(text) != "" {
			return []diagnosis.Secret{diagnosis.NewSecret("1", text)}, nil
		}
	}
	return nameSecrets(texts, "")
}

// requireSecrets is readSecrets for commands that cannot do without a secret.
func requireSecrets(cmd *cobra.Command, in *input) ([]diagnosis.Secret, error) {
	secrets, err := readSecrets(cmd, in)
	if err == nil && len(secrets) == 0 {
		err = fmt.Errorf("no signing secret: give --%s or --%s, or set the environment variable %s", secretFlag, secretFileFlag, signature.SecretVariable)
		if strings.TrimSpace(os.Getenv(signature.TutorialVariable)) != "" {
			err = fmt.Errorf("%w; %s is set: rename that variable", err, signature.TutorialVariable)
		}
	}
	return secrets, err
}

// valuesOf returns the values of a repeatable flag, unchanged. GetStringArray drops
// an empty value and changes line ends.
func valuesOf(cmd *cobra.Command, flag string) []string {
	return slices.Clone(cmd.Flags().Lookup(flag).Value.(interface{ GetSlice() []string }).GetSlice())
}

// nameSecrets splits "name=secret". The name of a secret without one is the prefix
// and its position, from 1.
func nameSecrets(texts []string, prefix string) ([]diagnosis.Secret, error) {
	var secrets []diagnosis.Secret
	taken := make(map[string]bool)
	for i, text := range texts {
		name, secret := splitSecret(text)
		if strings.TrimSpace(secret) == "" {
			return nil, errors.New("a signing secret is empty")
		}
		if name == "" {
			name = prefix + strconv.Itoa(i+1)
		}
		if taken[name] {
			return nil, fmt.Errorf("two secrets have the name %q: give each its own", name)
		}
		taken[name] = true
		secrets = append(secrets, diagnosis.NewSecret(name, secret))
	}
	return secrets, nil
}

// secretName matches a name in front of a secret. It is shorter than any key, so
// that no part of a secret with an = in it is printed as a name.
var secretName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$`)

func splitSecret(text string) (name, secret string) {
	name, rest, found := strings.Cut(text, "=")
	isPadding := strings.Trim(rest, "= \t\r\n") == ""
	if found && !isPadding && secretName.MatchString(name) && !signature.HoldsSecret(name) {
		return name, rest
	}
	return "", text
}
