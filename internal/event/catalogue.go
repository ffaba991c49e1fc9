// Package event knows the events that Clerk sends: their types, patterns that
// select among them, an example of each, and where a payload says its type.
package event

import (
	"embed"
	"slices"
	"strings"
)

// examples holds one fictional payload for each type of event that Clerk sends,
// in a file of that name: the list of files is the catalogue.
//
//go:embed examples/*.json
var examples embed.FS

const exampleSuffix = ".json"

var catalogue = readCatalogue()

func readCatalogue() []string {
	entries, err := examples.ReadDir("examples")
	if err != nil {
		panic(err) // the files are compiled in
	}
	types := make([]string, 0, len(entries))
	for _, entry := range entries {
		types = append(types, strings.TrimSuffix(entry.Name(), exampleSuffix))
	}
	slices.Sort(types)
	return types
}

// Catalogue returns the types of all events that Clerk is known to send,
// sorted.
func Catalogue() []string { return slices.Clone(catalogue) }

// Example returns a fictional payload of the given type, as indented JSON, and
// whether the type is in the catalogue.
func Example(eventType string) ([]byte, bool) {
	if _, known := slices.BinarySearch(catalogue, eventType); !known {
		return nil, false
	}
	payload, err := examples.ReadFile("examples/" + eventType + exampleSuffix)
	if err != nil {
		panic(err) // the files are compiled in
	}
	return payload, true
}
