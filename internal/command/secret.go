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
Prints a fresh random signing secret (32 bytes, HMAC-SHA256) in the form in
which Clerk's Dashboard shows one.
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

var errNoSecret = fmt.Errorf("no signing secret: give --%s, --%s or the environment variable %s", secretFlag, secretFileFlag, secretVariable)

// givenSecret is a signing secret as the user gave it, which need not be in
// order. Its text is never printed: it is behind a pointer because package fmt,
// where it prints a struct that holds a givenSecret in an unexported field,
// calls no methods but does not follow pointers either.
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
	cmd.Flags().StringArray(secretFlag, nil, "Signing secret, [name=]whsec_… (repeatable; other users of the machine can see it while the command runs)")
	cmd.Flags().StringArray(secretFileFlag, nil, "File that holds a signing secret, - for standard input (repeatable)")
	_ = cmd.MarkFlagFilename(secretFileFlag)
}

// readSecrets returns the secrets that flags give or, without such a flag, that
// of the environment. There may be none.
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
		texts = append(texts, strings.TrimPrefix(string(content), signature.ByteOrderMark)) // or a name would not be seen behind it
	}
	if len(texts) == 0 {
		if text := os.Getenv(secretVariable); strings.TrimSpace(text) != "" {
			return []givenSecret{{name: "1", text: &text}}, nil
		}
	}
	return nameSecrets(texts, "")
}

// valuesOf returns what a repeatable flag was given, unchanged: GetStringArray
// takes an empty value for none and changes line ends.
func valuesOf(cmd *cobra.Command, flag string) []string {
	return slices.Clone(cmd.Flags().Lookup(flag).Value.(interface{ GetSlice() []string }).GetSlice())
}

// nameSecrets splits "name=secret". Secrets without a name are called by their
// position, from 1, after prefix.
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
			return nil, fmt.Errorf("two secrets are called %q: give each its own name", s.name)
		}
		taken[s.name] = true
		secrets = append(secrets, s)
	}
	return secrets, nil
}

// secretName is what can be a name in front of a secret. It is shorter than any
// key is, so that no part of a secret that has an = in it is printed as a name.
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
