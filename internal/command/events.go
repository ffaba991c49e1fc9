package command

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

func newEventsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "events [flags] [<type>]",
		Short: "List the events that Clerk sends, or print an example of one",
		Long: `
Without an argument, lists all known event types of Clerk. With a
pattern such as 'user.*', lists the types that match it. With one type, prints
the example payload of that event. Payloads are fictional; 'send' gives them new
ids and times.

The list keeps types that Clerk has stopped sending. A note on standard error
names them.

Exit codes: 0, or 2 if the list has no such type.
`,
		Example: `  $ caddy clerk-webhook events
  $ caddy clerk-webhook events 'organization*'
  $ caddy clerk-webhook events user.created`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeTypes,
		RunE: func(cmd *cobra.Command, args []string) error {
			asJSON, _ := cmd.Flags().GetBool("json")
			return usageError(cmd, printEvents(cmd.OutOrStdout(), cmd.ErrOrStderr(), args, asJSON))
		},
	}
	cmd.Flags().Bool("json", false, "Print the list as a JSON array, or the example on one line")
	return cmd
}

func printEvents(out, notes io.Writer, args []string, asJSON bool) error {
	selected := "*"
	if len(args) > 0 {
		selected = args[0]
	}
	types, err := selectTypes(selected)
	if err != nil {
		return err
	}
	slices.Sort(types)
	switch {
	case event.Pattern(selected).IsLiteral():
		err = printExample(out, selected, asJSON)
	case asJSON:
		err = writeJSON(out, types)
	default:
		_, err = fmt.Fprintln(out, strings.Join(types, "\n"))
	}
	if err != nil {
		return err
	}
	return noteNoLongerSent(notes, types)
}

// noteNoLongerSent writes to notes, because scripts read the list of types.
func noteNoLongerSent(notes io.Writer, types []string) error {
	for _, eventType := range types {
		if !event.NoLongerSent(eventType) {
			continue
		}
		if _, err := fmt.Fprintf(notes, "Note: Clerk no longer sends %s.\n", eventType); err != nil {
			return err
		}
	}
	return nil
}

func printExample(out io.Writer, eventType string, asJSON bool) error {
	example, _ := event.Example(eventType) // the type is known
	if !asJSON {
		_, err := out.Write(example)
		return err
	}
	compact, err := event.Canonical(example)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", compact)
	return err
}
