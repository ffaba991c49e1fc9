package command

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// optionalValues are the flags whose value is optional, and what can be their value.
// Cobra gives them only what follows "=", and treats what follows a space as an argument.
var optionalValues = []struct {
	flag    string
	isValue func(string) bool
}{
	{"config-only", func(arg string) bool { return slices.Contains(configFormats, arg) }},
	{inspectFlag, isInspectorAddress},
}

// isInspectorAddress reports whether an argument can be the address of an inspector. The
// URL of a relay has another scheme or a path.
func isInspectorAddress(arg string) bool {
	return !strings.Contains(strings.TrimPrefix(strings.TrimPrefix(arg, "http://"), "https://"), "/")
}

// takeOptionalValues sets the flags whose value follows a space, and returns the other
// arguments.
func takeOptionalValues(cmd *cobra.Command, args []string) ([]string, error) {
	rest := slices.Clone(args)
	for _, optional := range optionalValues {
		flag := cmd.Flags().Lookup(optional.flag)
		if !flag.Changed || flag.Value.String() != flag.NoOptDefVal {
			continue
		}
		i := slices.IndexFunc(rest, optional.isValue)
		if i < 0 {
			continue
		}
		if err := flag.Value.Set(rest[i]); err != nil {
			return nil, err
		}
		rest = slices.Delete(rest, i, i+1)
	}
	return rest, nil
}
