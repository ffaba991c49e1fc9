// Package command is "caddy clerk-webhook": the tools that a developer needs around
// a guarded endpoint, in every Caddy that has the plugin.
package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/backfill"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// The exit codes of all subcommands. grep and diff have the same. Caddy's own
// validate and fmt exit with 1, too, if what they check is wrong.
const (
	exitYes   = caddy.ExitCodeSuccess // it worked; verify: the delivery is valid
	exitNo    = 1                     // it worked, and the answer is no
	exitUsage = 2                     // it did not work: wrong flags, unreadable input, no usable secret
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "clerk-webhook",
		Usage: "<command>",
		Short: "Receive, send and check Clerk webhooks while you develop",
		Long: `
Tools for webhook endpoints of Clerk, or of any sender that uses Svix or
Standard Webhooks. They work offline, except backfill, which reads from Clerk,
and listen, which connects to a relay. Only forget needs a running Caddy.

The commands read signing secrets from --secret, from --secret-file (- is
standard input) or from the environment variable CLERK_WEBHOOK_SIGNING_SECRET.
They do not print the secrets that they read.

Exit codes: 0 if the command worked, 1 if it ran but the result is negative (not
valid, not accepted), 2 if it could not run (wrong flags, unreadable input, no
secret).
`,
		CobraFunc: configure,
	})
}

func configure(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return usageError(cmd, unknownCommand(cmd, args[0]))
	}
	cmd.SetFlagErrorFunc(usageError)
	cmd.AddCommand(
		newProxyCommand(),
		newListenCommand(),
		newSendCommand(),
		newSignCommand(),
		newVerifyCommand(),
		newEventsCommand(),
		newSecretCommand(),
		newForgetCommand(),
		newBackfillCommand(),
	)
	for _, sub := range cmd.Commands() {
		checkArgs := sub.Args
		if checkArgs == nil {
			checkArgs = cobra.NoArgs
		}
		sub.Args = func(cmd *cobra.Command, args []string) error {
			return usageError(cmd, cmp.Or(refuseSecrets(cmd, args), checkArgs(cmd, args)))
		}
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("unknown command %q: did you mean %s?", name, strings.Join(near, " or "))
	}
	return fmt.Errorf("unknown command %q: --help lists the commands", name)
}

// mayHoldSecrets are the flags of secrets, of files, and of payloads and requests.
var mayHoldSecrets = []string{
	secretFlag, secretFileFlag, "other-secret", keyFileFlag, "config", "known-ids", "resume",
	"data", "set", "request", "other-request", "delivery", "body", "header", "signature",
}

// mayHavePasswords are the flags of URLs.
var mayHavePasswords = append([]string{"to", "api", "curl", "address"}, mayHoldSecrets...)

// refuseSecrets catches a secret that is given in place of something else. It would be
// printed, or looked up as a host.
func refuseSecrets(cmd *cobra.Command, args []string) error {
	const advice = "a secret does not belong here: put a signing secret into " + signature.SecretVariable + ", and a key of Clerk's API into " + backfill.KeyVariable
	if slices.ContainsFunc(args, signature.HoldsSecret) {
		return errors.New("an argument: " + advice)
	}
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		text := f.Value.String()
		switch {
		case !slices.Contains(mayHoldSecrets, f.Name) && signature.HoldsSecret(text):
			err = fmt.Errorf("--%s: %s", f.Name, advice)
		case !slices.Contains(mayHavePasswords, f.Name) && signature.HoldsPassword(text):
			err = fmt.Errorf("--%s: a password does not belong here", f.Name)
		}
	})
	return err
}

// usageError makes Caddy exit with exitUsage if there is an error, and log it as it
// logs the errors of its own commands. No secret that somebody wrote in a wrong place is
// repeated.
func usageError(cmd *cobra.Command, err error) error {
	if err == nil {
		return nil
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		return exitUsage, signature.RedactError(err)
	})(cmd, nil)
}

var errNo = errors.New("the answer is no")

// answerNo makes Caddy exit with exitNo after the command has said why itself.
func answerNo(cmd *cobra.Command) error {
	cmd.SilenceErrors = true
	return errNo
}

// maxInput is more than any delivery has. It keeps a device file from filling the
// memory.
const maxInput = 32 << 20

// input reads the files that the flags of one command name. "-" is standard input,
// which only one flag can read.
type input struct {
	stdin   io.Reader
	takenBy string
}

func newInput(cmd *cobra.Command) *input { return &input{stdin: cmd.InOrStdin()} }

func (in *input) read(flag, path string) ([]byte, error) {
	if path == "-" {
		if in.takenBy != "" {
			return nil, fmt.Errorf("--%s and --%s cannot both read standard input", in.takenBy, flag)
		}
		in.takenBy = flag
		return readBounded(flag, in.stdin)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	defer file.Close()
	return readBounded(flag, file)
}

func readBounded(flag string, r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxInput+1))
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", flag, err)
	}
	if len(content) > maxInput {
		return nil, fmt.Errorf("--%s: it has more than %d MiB", flag, maxInput>>20)
	}
	return content, nil
}

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

type palette struct{ enabled bool }

// paletteFor follows the convention of NO_COLOR.
func paletteFor(w io.Writer) palette {
	return palette{isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

func (p palette) good(s string) string     { return p.paint("32", s) }
func (p palette) bad(s string) string      { return p.paint("31", s) }
func (p palette) alarming(s string) string { return p.paint("1;31", s) }
func (p palette) dim(s string) string      { return p.paint("2", s) }
func (p palette) bold(s string) string     { return p.paint("1", s) }

func (p palette) paint(code, s string) string {
	if !p.enabled || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// printable returns s as one line of at most limit characters. A terminal finds no
// commands in it.
func printable(s string, limit int) string {
	var b strings.Builder
	for i, c := range s {
		if limit--; limit < 0 {
			return b.String() + "…"
		}
		switch {
		case c == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsPrint(c):
			b.WriteRune(c)
		default:
			b.WriteString(strings.Trim(strconv.QuoteRune(c), "'")) // as Go does: \n, \x1b, \u202e
		}
	}
	return b.String()
}

// writeJSON writes one line, in which <, > and & stay as they are. What would control a
// terminal is escaped.
func writeJSON(out io.Writer, v any) error {
	var line strings.Builder
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(out, escapeUnprintable(line.String()))
	return err
}

// escapeUnprintable escapes as JSON what package json leaves as it is, such as U+009B.
func escapeUnprintable(line string) string {
	isHarmless := func(c rune) bool { return c < 0x7f || unicode.IsPrint(c) || c == utf8.RuneError }
	var b strings.Builder
	for _, c := range line {
		if isHarmless(c) {
			b.WriteRune(c)
			continue
		}
		for _, unit := range utf16.Encode([]rune{c}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}
	return b.String()
}
