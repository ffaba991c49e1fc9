// Package command is "caddy clerk-webhook": what a developer at the desk needs
// around a guarded endpoint, as commands of every Caddy that has the plugin.
package command

import (
	"errors"
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// The exit codes of all subcommands. They are those of grep and diff, and 1 is
// also what Caddy's own validate and fmt give when what they look at is wrong.
const (
	exitYes   = caddy.ExitCodeSuccess // it worked; verify: the delivery is valid
	exitNo    = 1                     // it worked, and the answer is no
	exitUsage = 2                     // it did not work: wrong flags, unreadable input, no usable secret
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "clerk-webhook",
		Usage: "<command>",
		Short: "Receive, send and check Clerk webhooks at the desk",
		Long: `
Tools around Clerk (Svix, Standard Webhooks) endpoints. They work offline and
need no running Caddy, but for forget.

Signing secrets are taken from --secret, --secret-file (- for standard input)
or the environment variable CLERK_WEBHOOK_SIGNING_SECRET, and are not printed.

Exit codes: 0 it worked, 1 it worked and the answer is no (not valid, not
accepted), 2 it could not be done (wrong flags, unreadable input, no secret).
`,
		CobraFunc: configure,
	})
}

// configure makes cmd the parent of all subcommands.
func configure(cmd *cobra.Command) {
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return usageError(cmd, unknownCommand(cmd, args[0]))
	}
	cmd.SetFlagErrorFunc(usageError)
	cmd.AddCommand(subcommands()...)
	for _, sub := range cmd.Commands() {
		checkArgs := sub.Args
		if checkArgs == nil {
			checkArgs = cobra.NoArgs
		}
		sub.Args = func(cmd *cobra.Command, args []string) error {
			if err := checkArgs(cmd, args); err != nil {
				return usageError(cmd, err)
			}
			return nil
		}
	}
}

func subcommands() []*cobra.Command {
	return []*cobra.Command{
		newProxyCommand(),
		newSendCommand(),
		newSignCommand(),
		newVerifyCommand(),
		newEventsCommand(),
		newSecretCommand(),
		newForgetCommand(),
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		return fmt.Errorf("there is no command %q: did you mean %s?", name, strings.Join(near, " or "))
	}
	return fmt.Errorf("there is no command %q", name)
}

// usageError makes Caddy exit with exitUsage and log err as its own commands
// log theirs.
func usageError(cmd *cobra.Command, err error) error {
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) {
		return exitUsage, err
	})(cmd, nil)
}

var errNo = errors.New("the answer is no")

// answerNo makes Caddy exit with exitNo after the command has said why itself.
func answerNo(cmd *cobra.Command) error {
	cmd.SilenceErrors = true
	return errNo
}
