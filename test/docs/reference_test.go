package docs_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

// referenceTable is a table of docs/reference.md. Its rows are compared by their
// key, which is a name in backquotes, and by what value makes of their cells.
type referenceTable struct {
	heading string
	key     int // the column of the key
	value   func(cells []string) string
}

// check fails for every difference between the table and what the code really
// has. It also takes out each row in turn, and puts one in, to see that the
// comparison notices it.
func (table referenceTable) check(t *testing.T, actual map[string]string) {
	t.Helper()
	rows := strings.Split(strings.Trim(table.text(t), "\n"), "\n")
	for _, difference := range table.differences(rows, actual) {
		t.Error(difference)
	}
	for i, row := range rows {
		t.Run("without the row of "+table.keyOf(row), func(t *testing.T) {
			if len(table.differences(slices.Delete(slices.Clone(rows), i, i+1), actual)) == 0 {
				t.Error("no test would notice that this row is missing")
			}
		})
	}
	t.Run("with an unknown row", func(t *testing.T) {
		unknown := "|" + strings.Repeat(" `unknown` |", strings.Count(rows[0], "|"))
		if len(table.differences(append(slices.Clone(rows), unknown), actual)) == 0 {
			t.Error("no test would notice a row that the code knows nothing of")
		}
	})
}

// text returns the rows, without the header.
func (table referenceTable) text(t *testing.T) string {
	t.Helper()
	_, section, found := strings.Cut(testcaddy.ReadFile(t, "docs/reference.md"), "\n## "+table.heading+"\n")
	if !found {
		t.Fatalf("docs/reference.md has no heading %q", table.heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	_, rows, found := strings.Cut(section, "|---|\n")
	if !found {
		t.Fatalf("there is no table below %q", table.heading)
	}
	rows, _, _ = strings.Cut(rows, "\n\n")
	return rows
}

func (table referenceTable) differences(rows []string, actual map[string]string) (found []string) {
	documented := make(map[string]string)
	for _, row := range rows {
		cells := cellsOf(row)
		key := table.keyOf(row)
		if _, repeated := documented[key]; repeated {
			found = append(found, fmt.Sprintf("there are two rows for %q", key))
		}
		documented[key] = table.value(cells)
	}
	for _, key := range slices.Sorted(maps.Keys(actual)) {
		value, isDocumented := documented[key]
		switch {
		case !isDocumented:
			found = append(found, fmt.Sprintf("%q is not documented", key))
		case value != actual[key]:
			found = append(found, fmt.Sprintf("%q is documented with %q, but has %q", key, value, actual[key]))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(documented)) {
		if _, exists := actual[key]; !exists {
			found = append(found, fmt.Sprintf("%q is documented, but does not exist", key))
		}
	}
	return found
}

func (table referenceTable) keyOf(row string) string {
	return strings.Trim(cellsOf(row)[table.key], "`")
}

func cellsOf(row string) (cells []string) {
	const escaped = "\x00"
	row = strings.ReplaceAll(strings.Trim(row, "|"), `\|`, escaped)
	for cell := range strings.SplitSeq(row, "|") {
		cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), escaped, "|"))
	}
	return cells
}

// noValue is for tables where only the key is compared.
func noValue([]string) string { return "" }
