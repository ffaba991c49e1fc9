package command

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// maxInput is more than any delivery has, and keeps a device file from filling
// the memory.
const maxInput = 32 << 20

// input reads what the flags of one command name: a file, or standard input for
// "-", which only one of the flags can have.
type input struct {
	stdin   io.Reader
	takenBy string
}

func newInput(cmd *cobra.Command) *input { return &input{stdin: cmd.InOrStdin()} }

// read returns the whole of the file at path.
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
		return nil, fmt.Errorf("--%s: more than %d MiB", flag, maxInput>>20)
	}
	return content, nil
}
