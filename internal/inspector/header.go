package inspector

import (
	"net/http"
	"slices"
	"strings"
)

// field is one line of a header.
type field struct {
	name, value string
	redacted    bool
}

// copyHeader copies a header without the values of credentials. All strings
// share one allocation, so that little is held besides the text itself.
func copyHeader(header http.Header) []field {
	count, length := 0, 0
	for name, values := range header {
		for _, value := range values {
			count++
			length += len(name)
			if !isCredential(name) {
				length += len(value)
			}
		}
	}
	fields := slices.Grow([]field(nil), count)
	var text strings.Builder
	text.Grow(length)
	for name, values := range header {
		credential := isCredential(name)
		for _, value := range values {
			if credential {
				value = ""
			}
			start := text.Len()
			text.WriteString(name)
			text.WriteString(value)
			line := text.String()[start:]
			fields = append(fields, field{line[:len(name)], line[len(name):], credential})
		}
	}
	return fields
}

// isCredential tells headers whose values are not kept.
func isCredential(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Authorization", "Cookie", "Proxy-Authorization", "Set-Cookie":
		return true
	}
	return false
}

// headerValue returns the first value of the header of this name.
func headerValue(fields []field, name string) string {
	for _, f := range fields {
		if strings.EqualFold(f.name, name) {
			return f.value
		}
	}
	return ""
}

func hasHeader(fields []field, name string) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return strings.EqualFold(f.name, name) })
}

func headerSize(fields []field) int64 {
	size := int64(cap(fields)) * fieldSize
	for _, f := range fields {
		size += int64(len(f.name) + len(f.value))
	}
	return size + size/16 // what the allocator adds to the text
}
