package command

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// tone is how much a row wants to be noticed.
type tone int

const (
	good tone = iota
	quiet
	bad
	alarming
)

// row is what the terminal shows of a delivery in one line. Its texts are printable.
type row struct {
	tone              tone
	status            int // 0 for none
	took              time.Duration
	what, about, note string
}

// leastTypeWidth leaves room for most event types.
const leastTypeWidth = 20

// rows writes rows in columns. Columns grow with what is in them.
type rows struct {
	colours   palette
	typeWidth int
}

func (rs *rows) format(r row) string {
	rs.typeWidth = max(rs.typeWidth, leastTypeWidth, utf8.RuneCountInString(r.what))
	status := "---"
	if r.status != 0 {
		status = strconv.Itoa(r.status)
	}
	took := fmt.Sprintf("%8s", brief(r.took))
	what := r.what
	if rest := r.about + r.note; rest != "" {
		what += strings.Repeat(" ", rs.typeWidth-utf8.RuneCountInString(what))
	}
	rest := joinColumns(r.about, r.note)
	switch r.tone {
	case quiet:
		return joinColumns(status, took, rs.colours.dim(joinColumns(what, rest)))
	case bad:
		return joinColumns(rs.colours.bad(status), took, rs.colours.bad(what), rest)
	case alarming:
		return rs.colours.alarming(joinColumns(status, took, what, rest))
	}
	return joinColumns(rs.colours.good(status), took, rs.colours.bold(what), r.about, rs.colours.dim(r.note))
}

func joinColumns(columns ...string) string {
	var all []string
	for _, c := range columns {
		if c != "" {
			all = append(all, c)
		}
	}
	return strings.Join(all, "  ")
}

// brief returns a duration in at most 8 characters.
func brief(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
