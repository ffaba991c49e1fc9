package docs_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestReferenceHasEveryMetricWithItsLabels(t *testing.T) {
	address := testcaddy.FreeAddress(t)
	testcaddy.Run(t, testcaddy.Measured(address, "clerk_webhook {\nsecret "+testcaddy.Secret+"\ndeduplicate storage\nrelay copy\n}\nrespond 200"), "storage file_system "+testcaddy.StorageDir(t))
	testcaddy.Send(t, testcaddy.NewConnections, testcaddy.SignedRequest(t, "http://"+address, testcaddy.Secret, testcaddy.UserCreated))
	actual := make(map[string]string)
	histogramParts := regexp.MustCompile(`^(\w+)_(?:bucket|sum|count)$`)
	for sample := range testcaddy.Scrape(t, address) {
		name, labels := labelsOf(sample)
		if match := histogramParts.FindStringSubmatch(name); match != nil {
			actual[match[1]] = histogram(labels)
			continue
		}
		actual[name] = labels
	}
	value := func(cells []string) string {
		if strings.Contains(cells[2], "(histogram)") {
			return histogram(cells[1])
		}
		return cells[1]
	}
	referenceTable{heading: "Metrics", value: value}.check(t, actual)
}

func histogram(labels string) string { return strings.TrimSpace("histogram " + labels) }

// labelsOf returns the name of a sample, and its labels as the table has them. A
// histogram's le is left out, since it is not for users to choose.
func labelsOf(sample string) (name, labels string) {
	name, _, _ = strings.Cut(sample, "{")
	var names []string
	for _, match := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(sample, -1) {
		if match[1] != "le" {
			names = append(names, "`"+match[1]+"`")
		}
	}
	slices.Sort(names)
	return name, strings.Join(names, ", ")
}
