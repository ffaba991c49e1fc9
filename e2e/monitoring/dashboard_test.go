package monitoring

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
)

const folder = "../../docs/monitoring/"

// dashboard is the part of Grafana's JSON model that is checked.
type dashboard struct {
	Title         string  `json:"title"`
	UID           string  `json:"uid"`
	SchemaVersion int     `json:"schemaVersion"`
	Panels        []panel `json:"panels"`
	Templating    struct {
		List []variable `json:"list"`
	} `json:"templating"`
}

type panel struct {
	ID         int        `json:"id"`
	Type       string     `json:"type"`
	Title      string     `json:"title"`
	Datasource datasource `json:"datasource"`
	Position   position   `json:"gridPos"`
	Targets    []target   `json:"targets"`
}

type datasource struct {
	Type string `json:"type"`
	UID  string `json:"uid"`
}

type position struct {
	X int `json:"x"`
	Y int `json:"y"`
	W int `json:"w"`
	H int `json:"h"`
}

type target struct {
	RefID      string     `json:"refId"`
	Datasource datasource `json:"datasource"`
	Expr       string     `json:"expr"`
	Legend     string     `json:"legendFormat"`
	Instant    bool       `json:"instant"`
	Range      bool       `json:"range"`
}

type variable struct {
	Name       string     `json:"name"`
	Type       string     `json:"type"`
	Datasource datasource `json:"datasource"`
	Definition string     `json:"definition"`
	Query      any        `json:"query"`
	AllValue   string     `json:"allValue"`
}

// chosen is the data source that the dashboard's user chooses.
var chosen = datasource{Type: "prometheus", UID: "${datasource}"}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	text, err := os.ReadFile(folder + "grafana.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Panels) == 0 {
		t.Fatal("the dashboard has no panels")
	}
	return d
}

func (d dashboard) variable(t *testing.T, name string) variable {
	t.Helper()
	for _, v := range d.Templating.List {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no variable %s", name)
	return variable{}
}

func TestDashboardCanBeImported(t *testing.T) {
	d := readDashboard(t)
	if d.Title == "" || d.UID == "" || d.SchemaVersion < 39 {
		t.Errorf("got title %q, uid %q, schema version %d", d.Title, d.UID, d.SchemaVersion)
	}
	if v := d.variable(t, "datasource"); v.Type != "datasource" || v.Query != "prometheus" {
		t.Errorf("the data source is chosen from %+v", v)
	}
	if v := d.variable(t, "endpoint"); v.Type != "query" || v.Datasource != chosen || v.AllValue != ".*" {
		t.Errorf("the endpoint is chosen from %+v", v)
	}
}

func TestPanelsHaveIDsOfTheirOwn(t *testing.T) {
	titles := map[int]string{}
	for _, p := range readDashboard(t).Panels {
		if other, taken := titles[p.ID]; taken || p.ID <= 0 {
			t.Errorf("%s has the id %d, as %q", p.Title, p.ID, other)
		}
		titles[p.ID] = p.Title
	}
}

func TestPanelsDoNotOverlap(t *testing.T) {
	const columns = 24
	taken := map[position]string{} // one entry for each cell; its size is zero
	for _, p := range readDashboard(t).Panels {
		at := p.Position
		if at.X < 0 || at.Y < 0 || at.W <= 0 || at.H <= 0 || at.X+at.W > columns {
			t.Errorf("%s is outside of the grid: %+v", p.Title, at)
		}
		for x := at.X; x < at.X+at.W; x++ {
			for y := at.Y; y < at.Y+at.H; y++ {
				cell := position{X: x, Y: y}
				if other := taken[cell]; other != "" && other != p.Title {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[cell] = p.Title
			}
		}
	}
}

func TestPanelsAskTheChosenDatasource(t *testing.T) {
	for _, p := range readDashboard(t).Panels {
		if p.Title == "" || p.Datasource != chosen || len(p.Targets) == 0 {
			t.Errorf("panel %d %q has %d queries to %+v", p.ID, p.Title, len(p.Targets), p.Datasource)
		}
		refs := map[string]bool{}
		for _, q := range p.Targets {
			if q.RefID == "" || refs[q.RefID] || q.Datasource != chosen || q.Instant == q.Range {
				t.Errorf("%s: %+v", p.Title, q)
			}
			refs[q.RefID] = true
		}
	}
}

var metricName = regexp.MustCompile(`caddy_\w+`)

func TestPanelsKeepToTheChosenEndpoint(t *testing.T) {
	for _, p := range readDashboard(t).Panels {
		for _, q := range p.Targets {
			switch name := metricName.FindString(q.Expr); name {
			case "caddy_clerk_webhook_deliveries_total", "caddy_clerk_webhook_verified_total",
				"caddy_clerk_webhook_secret_last_used_timestamp_seconds":
				if !strings.Contains(q.Expr, `endpoint=~"$endpoint"`) {
					t.Errorf("%s shows every endpoint: %s", p.Title, q.Expr)
				}
			case "":
				t.Errorf("%s asks for no metric: %s", p.Title, q.Expr)
			}
		}
	}
}
