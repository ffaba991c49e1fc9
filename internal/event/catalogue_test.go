package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

func TestCatalogue(t *testing.T) {
	types := Catalogue()
	if len(types) != 46 {
		t.Errorf("%d types, want 46", len(types))
	}
	if !slices.IsSorted(types) || len(slices.Compact(slices.Clone(types))) != len(types) {
		t.Errorf("not sorted, or not distinct: %q", types)
	}
	for _, eventType := range types {
		if pattern := Pattern(eventType); pattern.Validate() != nil || !pattern.IsLiteral() || !pattern.Known() {
			t.Errorf("%s cannot be named in a configuration", eventType)
		}
	}

	types[0] = "changed"
	if Catalogue()[0] == "changed" {
		t.Error("callers can change the catalogue")
	}
}

func TestNoLongerSent(t *testing.T) {
	var stopped []string
	for _, eventType := range Catalogue() {
		if NoLongerSent(eventType) {
			stopped = append(stopped, eventType)
		}
	}
	if !slices.Equal(stopped, []string{"subscriptionItem.created"}) {
		t.Errorf("got %q", stopped)
	}
	if NoLongerSent("subscriptionItem.*") || NoLongerSent("user.craeted") {
		t.Error("Clerk never sent them")
	}
}

func TestExamples(t *testing.T) {
	for _, eventType := range Catalogue() {
		t.Run(eventType, func(t *testing.T) {
			payload, known := Example(eventType)
			if !known {
				t.Fatal("not known")
			}
			if got := string(TypeOf(payload)); got != eventType {
				t.Errorf("the example has the type %q", got)
			}
			var compact bytes.Buffer
			if err := json.Compact(&compact, payload); err != nil {
				t.Fatal(err)
			}
			if got := string(TypeOf(compact.Bytes())); got != eventType {
				t.Errorf("compact, the example has the type %q", got)
			}
			var event struct {
				Object string
				Data   map[string]any
			}
			if err := json.Unmarshal(payload, &event); err != nil {
				t.Fatal(err)
			}
			if event.Object != "event" || len(event.Data) == 0 {
				t.Errorf("object %q with %d members of data is no event of Clerk's", event.Object, len(event.Data))
			}
		})
	}
}

func TestExampleOfUnknownType(t *testing.T) {
	for _, eventType := range []string{"", "user", "user.craeted", "user.*", "user.created.json", "../examples/user.created", "User.created", "user.created\x00"} {
		if payload, known := Example(eventType); known || payload != nil {
			t.Errorf("there is an example of %q", eventType)
		}
	}
}
