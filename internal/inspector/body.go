package inspector

import (
	"bytes"
	"encoding/json"
	"errors"
	"unicode/utf8"
)

type bodyState string

const (
	whole  bodyState = "whole"
	cut    bodyState = "cut"
	none   bodyState = "none"
	unread bodyState = "unread"
)

// body is what was kept of a body.
type body struct {
	state bodyState
	data  []byte
	size  int64 // of all of it
}

// newBody copies at most limit bytes of data.
func newBody(data []byte, limit int) body {
	if len(data) == 0 {
		return body{state: none}
	}
	b := body{state: whole, size: int64(len(data))}
	if len(data) > limit {
		b.state, data = cut, data[:limit]
	}
	b.data = append([]byte(nil), data...) // whose capacity tells what was allocated
	return b
}

// isComplete reports whether all of the body is here.
func (b body) isComplete() bool { return b.state == whole || b.state == none }

type bodyView struct {
	State  bodyState  `json:"state"`
	Size   int64      `json:"size"`
	Text   string     `json:"text"`
	Base64 []byte     `json:"base64"`
	JSON   syntaxView `json:"json"`
}

// syntaxView says where a text stops being JSON.
type syntaxView struct {
	Valid   bool   `json:"valid"`
	Message string `json:"message"`
	Offset  int    `json:"offset"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
}

func (b body) view() bodyView {
	v := bodyView{State: b.state, Size: b.size, Base64: []byte{}, JSON: syntaxOf(b.data)}
	if text := wholeRunes(b); utf8.Valid(text) {
		v.Text = string(text)
	} else {
		v.Base64 = b.data
	}
	return v
}

// wholeRunes returns the data without the bytes of a character that a cut went
// through.
func wholeRunes(b body) []byte {
	if b.state != cut {
		return b.data
	}
	for end := len(b.data) - 1; end >= max(0, len(b.data)-utf8.UTFMax); end-- {
		if !utf8.RuneStart(b.data[end]) {
			continue
		}
		if !utf8.FullRune(b.data[end:]) {
			return b.data[:end]
		}
		break
	}
	return b.data
}

// syntaxOf says whether data is JSON, and otherwise where not.
func syntaxOf(data []byte) syntaxView {
	var value json.RawMessage
	err := json.Unmarshal(data, &value)
	if err == nil {
		return syntaxView{Valid: true}
	}
	v := syntaxView{Message: err.Error(), Offset: len(data)}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) && syntax.Error() != unexpectedEnd {
		v.Offset = max(0, int(syntax.Offset)-1) // which counts the wrong byte too
	}
	before := data[:v.Offset]
	v.Line = 1 + bytes.Count(before, []byte("\n"))
	v.Column = 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	return v
}

// unexpectedEnd is how encoding/json says that there should be more.
const unexpectedEnd = "unexpected end of JSON input"
