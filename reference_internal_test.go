package clerkwebhook

import (
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/prometheus/client_golang/prometheus"
)

// referenceTable returns the rows of the table below a heading of
// docs/reference.md, by the code in their key column, without quotes.
func referenceTable(t testing.TB, heading string, key int) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("docs/reference.md has no heading %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := make(map[string][]string)
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "|") {
			continue
		}
		var cells []string
		const escaped = "\x00"
		line = strings.ReplaceAll(line, `\|`, escaped)
		for cell := range strings.SplitSeq(strings.Trim(line, "|\n"), "|") {
			cells = append(cells, strings.ReplaceAll(strings.TrimSpace(cell), escaped, "|"))
		}
		if name, ok := strings.CutPrefix(cells[key], "`"); ok {
			rows[strings.TrimSuffix(name, "`")] = cells
		}
	}
	return rows
}

func wantSame(t testing.TB, documented, actual []string) {
	t.Helper()
	slices.Sort(documented)
	slices.Sort(actual)
	if !slices.Equal(documented, actual) {
		t.Errorf("documented: %q\nactual:     %q", documented, actual)
	}
}

func TestReferenceHasEveryOption(t *testing.T) {
	var actual []string
	for field := range reflect.TypeFor[Handler]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			actual = append(actual, name)
		}
	}
	documented := referenceTable(t, "Options", 0)
	wantSame(t, slices.Collect(maps.Keys(documented)), actual)

	var options strings.Builder
	for name, row := range documented {
		if value := strings.Trim(row[2], "`"); value != row[2] {
			options.WriteString(name + " " + value + "\n")
		}
	}
	var documentedDefaults, defaults Handler
	if err := documentedDefaults.UnmarshalCaddyfile(caddyfile.NewTestDispenser("clerk_webhook {\n" + options.String() + "}")); err != nil {
		t.Fatal(err)
	}
	defaults.setDefaults()
	if !reflect.DeepEqual(documentedDefaults, defaults) {
		t.Errorf("the documented defaults are %+v, the actual ones %+v", documentedDefaults, defaults)
	}
}

func TestReferenceHasEveryReasonWithItsStatus(t *testing.T) {
	documented := referenceTable(t, "Statuses and reasons", 1)
	statuses := maps.Clone(rejectionStatus)
	statuses[inProgress], statuses[done] = http.StatusConflict, http.StatusOK
	var actual []string
	for why, status := range statuses {
		actual = append(actual, string(why))
		if row := documented[string(why)]; row != nil && row[0] != strconv.Itoa(status) {
			t.Errorf("%s: the status is %d, documented as %s", why, status, row[0])
		}
	}
	wantSame(t, slices.Collect(maps.Keys(documented)), actual)
}

func TestReferenceHasOnlyRealPlaceholders(t *testing.T) {
	documented := referenceTable(t, "Placeholders", 0)
	d := &delivery{}
	for placeholder := range documented {
		name := strings.TrimSuffix(strings.TrimPrefix(placeholder, "{"+placeholderPrefix), "}")
		if _, ok := d.placeholder(name); !ok {
			t.Errorf("there is no %s", placeholder)
		}
	}
	if len(documented) == 0 {
		t.Error("none is documented")
	}
}

func TestReferenceHasEveryMetricWithItsLabels(t *testing.T) {
	registry := prometheus.NewRegistry()
	if err := registerMetrics(registry); err != nil {
		t.Fatal(err)
	}
	newMetrics("reference", []Secret{{Name: "1"}})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	documented := referenceTable(t, "Metrics", 0)
	var actual []string
	for _, family := range families {
		actual = append(actual, family.GetName())
		var labels []string
		for _, label := range family.GetMetric()[0].GetLabel() {
			labels = append(labels, "`"+label.GetName()+"`")
		}
		if row := documented[family.GetName()]; row != nil && row[1] != strings.Join(labels, ", ") {
			t.Errorf("%s has the labels %s, documented as %s", family.GetName(), labels, row[1])
		}
	}
	wantSame(t, slices.Collect(maps.Keys(documented)), actual)
}
