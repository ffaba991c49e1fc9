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
		Use:   "forget <id>...",
		Short: "Forget a handled delivery, so that its next copy is forwarded",
		Long: `
Makes the running Caddy forget that it has handled the deliveries with these ids
(svix-id). When they are sent again, Caddy forwards them as if they were new.

The command calls Caddy's admin API at --address, at the address in the config
file --config, or at the default address.

Exit codes: 0 if all ids were known and are forgotten, 1 if one was not known,
2 if the command could not run.
`,
		Example: `  $ caddy clerk-webhook forget msg_2b2R0aGlzSXNBbkV4YW1wbGU`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    runForget,
	}
	cmd.Flags().String("address", "", "Address of Caddy's admin API")
	cmd.Flags().StringP("config", "c", "", "Config file that has the address of the admin API")
	cmd.Flags().StringP("adapter", "a", "", "Config adapter for --config")
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
			state = "not known: nothing to forget"
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

// adviceOn reads the text of the error, because Caddy keeps nothing else of it.
func adviceOn(err error) string {
	if text := err.Error(); !strings.HasPrefix(text, "performing request") || !strings.Contains(text, "refused") {
		return ""
	}
	return ": start Caddy with its admin endpoint on, or give its address with --address"
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
