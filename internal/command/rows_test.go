package command

import (
	"testing"
	"time"
)

func TestRows(t *testing.T) {
	for _, tt := range []struct {
		name          string
		row           row
		plain, colour string
	}{
		{
			"accepted",
			row{status: 200, took: 1500 * time.Microsecond, what: "user.created", about: "Ada", note: "a replay"},
			"200     1.5ms  user.created          Ada  a replay",
			"\x1b[32m200\x1b[0m     1.5ms  \x1b[1muser.created        \x1b[0m  Ada  \x1b[2ma replay\x1b[0m",
		},
		{
			"of no interest",
			row{tone: quiet, status: 204, took: 70 * time.Microsecond, what: "user.created", note: "filtered"},
			"204      70µs  user.created          filtered",
			"204      70µs  \x1b[2muser.created          filtered\x1b[0m",
		},
		{
			"rejected",
			row{tone: bad, status: 403, what: "rejected", about: "why"},
			"403        0s  rejected              why",
			"\x1b[31m403\x1b[0m        0s  \x1b[31mrejected            \x1b[0m  why",
		},
		{
			"failed, all of it in colour",
			row{tone: alarming, status: 503, took: 14999 * time.Millisecond, what: "user.created", about: "Ada", note: "FAILED"},
			"503       15s  user.created          Ada  FAILED",
			"\x1b[1;31m503       15s  user.created          Ada  FAILED\x1b[0m",
		},
		{"without an answer", row{tone: bad, what: "user.created"}, "---        0s  user.created", "\x1b[31m---\x1b[0m        0s  \x1b[31muser.created\x1b[0m"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&rows{}).format(tt.row); got != tt.plain {
				t.Errorf("got\n%q, want\n%q", got, tt.plain)
			}
			if got := (&rows{colours: palette{enabled: true}}).format(tt.row); got != tt.colour {
				t.Errorf("in colour, got\n%q, want\n%q", got, tt.colour)
			}
		})
	}
}

func TestRowsStayInColumns(t *testing.T) {
	rs := &rows{}
	rs.format(row{what: "subscriptionItem.freeTrialEnding", about: "Ada"})
	if got, want := rs.format(row{status: 200, what: "user.created", about: "Ada"}), "200        0s  user.created                      Ada"; got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
}
