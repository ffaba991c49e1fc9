package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestReadmeIsShort(t *testing.T) {
	if lines := strings.Count(testcaddy.ReadFile(t, "README.md"), "\n"); lines > 200 {
		t.Errorf("it has %d lines", lines)
	}
}

func TestReadmeQuotesTheProvenCause(t *testing.T) {
	if !strings.Contains(testcaddy.ReadFile(t, "README.md"), `"`+provenCause+`"`) {
		t.Error("it does not")
	}
}

func TestEveryImageIsShown(t *testing.T) {
	var text strings.Builder
	for _, file := range []string{"README.md", "docs/*.md"} {
		found, _ := filepath.Glob(file)
		for _, name := range found {
			text.WriteString(testcaddy.ReadFile(t, name))
		}
	}
	images, err := filepath.Glob("docs/images/*")
	if err != nil || len(images) == 0 {
		t.Fatal("there are none", err)
	}
	for _, image := range images {
		if !strings.Contains(text.String(), "images/"+filepath.Base(image)+")") {
			t.Errorf("nothing shows %s", image)
		}
	}
}

// Every row on another tool says where its facts are from.
func TestComparisonNamesItsSources(t *testing.T) {
	_, section, _ := strings.Cut(testcaddy.ReadFile(t, "README.md"), "\n## How it compares\n")
	section, _, _ = strings.Cut(section, "\n## ")
	rows := 0
	for line := range strings.Lines(section) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| |") || strings.HasPrefix(line, "| **caddy-clerk-webhook**") {
			continue
		}
		rows++
		if !strings.Contains(line, "](https://") {
			t.Errorf("no source in %s", line)
		}
		if columns := strings.Count(line, "|"); columns != 9 {
			t.Errorf("it has %d columns: %s", columns-1, line)
		}
	}
	if rows != 6 {
		t.Errorf("%d other tools", rows)
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	symbols = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

func TestDocumentationLinksLeadSomewhere(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	examples, err := filepath.Glob("examples/*/README.md")
	if err != nil {
		t.Fatal(err)
	}
	files = append(append(files, examples...), "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "docs/monitoring/README.md")
	for _, file := range files {
		if _, err := os.Stat(file); err != nil {
			continue // not every folder has one
		}
		for _, found := range link.FindAllStringSubmatch(testcaddy.ReadFile(t, file), -1) {
			if strings.Contains(found[1], "://") || strings.HasPrefix(found[1], "mailto:") {
				continue
			}
			checkLink(t, file, found[1])
		}
	}
}

func checkLink(t *testing.T, file, target string) {
	t.Helper()
	path, anchor, _ := strings.Cut(target, "#")
	path = filepath.Join(filepath.Dir(file), path)
	if strings.HasPrefix(target, "#") {
		path = file
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("%s: %s leads nowhere", file, target)
		return
	}
	if anchor != "" && !strings.Contains(anchors(t, path), "\n"+anchor+"\n") {
		t.Errorf("%s: %s has no heading for #%s", file, path, anchor)
	}
}

// anchors lists the anchors of a page, as GitHub makes them of headings.
func anchors(t *testing.T, file string) string {
	t.Helper()
	all := "\n"
	for line := range strings.Lines(testcaddy.ReadFile(t, file)) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			text := symbols.ReplaceAllString(strings.ToLower(strings.TrimSpace(heading)), "")
			all += strings.ReplaceAll(text, " ", "-") + "\n"
		}
	}
	return all
}
