package command

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func newSecretCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "secret",
		Short: "Print a new signing secret",
		Long: `
Prints a new random signing secret (32 bytes, HMAC-SHA256), in the form that the
Clerk Dashboard shows.
`,
		Example: `  $ export CLERK_WEBHOOK_SIGNING_SECRET="$(caddy clerk-webhook secret)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), signature.GenerateSecret())
			return err
		},
	}
}

// secretVariable is the variable that Clerk's own SDKs read.
const secretVariable = "CLERK_WEBHOOK_SIGNING_SECRET"

const (
	secretFlag     = "secret"
	secretFileFlag = "secret-file"
)

var errNoSecret = fmt.Errorf("no signing secret: give --%s or --%s, or set the environment variable %s", secretFlag, secretFileFlag, secretVariable)

// givenSecret is a signing secret as the user gave it. It may be malformed. Its text
// is never printed. Package fmt calls no methods of unexported fields, but it does
// not follow pointers there, so the text is behind one.
type givenSecret struct {
	name string
	text *string
}

// String keeps the text out of messages.
func (s givenSecret) String() string { return fmt.Sprintf("secret %q", s.name) }

// Format keeps the text out of whatever package fmt prints, with any verb.
func (s givenSecret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// key is the secret ready for use.
func (s givenSecret) key() (*signature.Key, error) {
	key, err := signature.ParseSecret(*s.text)
	if err != nil {
		return nil, fmt.Errorf("%v: %w", s, err)
	}
	return key, nil
}

func addSecretFlags(cmd *cobra.Command) {
	cmd.Flags().StringArray(secretFlag, nil, "Signing secret, [name=]whsec_… (repeatable; other users of this machine can see it while the command runs)")
	cmd.Flags().StringArray(secretFileFlag, nil, "File with a signing secret; - is standard input (repeatable)")
	_ = cmd.MarkFlagFilename(secretFileFlag)
}

// readSecrets returns the secrets of the flags. Without such a flag it returns the
// secret of the environment, if there is one.
func readSecrets(cmd *cobra.Command, in *input) ([]givenSecret, error) {
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
		if text := os.Getenv(secretVariable); strings.TrimSpace(text) != "" {
			return []givenSecret{{name: "1", text: &text}}, nil
		}
	}
	return nameSecrets(texts, "")
}

// valuesOf returns the values of a repeatable flag, unchanged. GetStringArray drops
// an empty value and changes line ends.
func valuesOf(cmd *cobra.Command, flag string) []string {
	return slices.Clone(cmd.Flags().Lookup(flag).Value.(interface{ GetSlice() []string }).GetSlice())
}

// nameSecrets splits "name=secret". The name of a secret without one is the prefix
// and its position, from 1.
func nameSecrets(texts []string, prefix string) ([]givenSecret, error) {
	var secrets []givenSecret
	taken := make(map[string]bool)
	for i, text := range texts {
		s := splitSecret(text)
		if strings.TrimSpace(*s.text) == "" {
			return nil, errors.New("a signing secret is empty")
		}
		if s.name == "" {
			s.name = prefix + strconv.Itoa(i+1)
		}
		if taken[s.name] {
			return nil, fmt.Errorf("two secrets have the name %q: give each its own", s.name)
		}
		taken[s.name] = true
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// secretName matches a name in front of a secret. It is shorter than any key, so
// that no part of a secret with an = in it is printed as a name.
var secretName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$`)

var secretPrefix = regexp.MustCompile(`^wh(sec|pk|sk)_`)

func splitSecret(text string) givenSecret {
	name, rest, found := strings.Cut(text, "=")
	isPadding := strings.Trim(rest, "= \t\r\n") == ""
	if found && !isPadding && secretName.MatchString(name) && !secretPrefix.MatchString(name) {
		return givenSecret{name: name, text: &rest}
	}
	return givenSecret{text: &text}
}

// Interface guards
var (
	_ fmt.Formatter = givenSecret{}
	_ fmt.Stringer  = givenSecret{}
)
