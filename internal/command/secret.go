package command

import (
	"fmt"

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
