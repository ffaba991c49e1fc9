package command

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func newForgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget ID...",
		Short: "Let a delivery that was handled be forwarded once more",
		Long: `
Makes the running Caddy forget that the deliveries with these ids (svix-id) were
handled, so that a resend is forwarded although deduplicate is on. It talks to
Caddy's admin API, whose address it takes from --address, or from the config
file given by --config, or is the default one.

Exit codes: 0 all were known and are forgotten, 1 one was not known (nothing had
to be forgotten), 2 it could not be done.
`,
		Example: `  $ caddy clerk-webhook forget msg_2b2R0aGlzSXNBbkV4YW1wbGU`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    runForget,
	}
	cmd.Flags().String("address", "", "address of Caddy's admin API, instead of the one in --config or the default")
	cmd.Flags().StringP("config", "c", "", "config file in which the address of the admin API stands")
	cmd.Flags().StringP("adapter", "a", "", "config adapter to apply to --config")
	return cmd
}

func runForget(cmd *cobra.Command, ids []string) error {
	flags := caddycmd.Flags{FlagSet: cmd.Flags()}
	address, err := caddycmd.DetermineAdminAPIAddress(flags.String("address"), nil, flags.String("config"), flags.String("adapter"))
	if err != nil {
		return usageError(cmd, fmt.Errorf("finding the admin API: %w", err))
	}
	allKnown := true
	for _, id := range ids {
		known, err := forget(address, id)
		if err != nil {
			return usageError(cmd, fmt.Errorf("forgetting %s: %w%s", id, err, adviceOn(err)))
		}
		state := "forgotten: the next delivery with this id is forwarded"
		if !known {
			state = "not known as handled: nothing to forget"
			allKnown = false
		}
		if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", id, state); err != nil {
			return err
		}
	}
	if !allKnown {
		return answerNo(cmd)
	}
	return nil
}

// adviceOn reads the text of the error, since that is all that Caddy keeps of it.
func adviceOn(err error) string {
	if text := err.Error(); !strings.HasPrefix(text, "performing request") || !strings.Contains(text, "refused") {
		return ""
	}
	return ": does Caddy run, with its admin endpoint on? --address gives another"
}

func forget(address, id string) (known bool, err error) {
	request, err := json.Marshal(map[string]string{"id": id})
	if err != nil {
		return false, err
	}
	response, err := caddycmd.AdminAPIRequest(address, http.MethodPost, "/clerk_webhook/forget", nil, bytes.NewReader(request))
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	var answer struct {
		Known bool `json:"known"`
	}
	err = json.NewDecoder(response.Body).Decode(&answer)
	return answer.Known, err
}
