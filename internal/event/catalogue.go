// Package event knows the events that Clerk sends: their types, patterns that select
// types, and an example of each. It reads the type from a payload, and makes and
// changes payloads.
package event

import (
	"embed"
	"slices"
	"strings"
)

// examples has a fictional payload for each event type that Clerk sends or has sent.
// Each file has the name of its type, so the list of files is the catalogue.
//
//go:embed examples/*.json
var examples embed.FS

const exampleSuffix = ".json"

var catalogue = readCatalogue()

// noLongerSent are the types in the catalogue that Clerk's specification no longer
// has. They stay because applications may still select and handle them.
var noLongerSent = []string{
	"subscriptionItem.created", // removed on 3 August 2026
}

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

// Catalogue returns all event types that Clerk is known to send or to have sent,
// sorted.
func Catalogue() []string { return slices.Clone(catalogue) }

// NoLongerSent reports whether Clerk has stopped sending events of this type.
func NoLongerSent(eventType string) bool { return slices.Contains(noLongerSent, eventType) }

// Example returns a fictional payload of an event type, as indented JSON. It also
// returns whether the type is in the catalogue.
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
