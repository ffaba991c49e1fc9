package relay

import "testing"

func TestAListenerMatchesByValues(t *testing.T) {
	const payload = `{"data":{"id":"user_1","name":"M\u00fcller","age":12345678901234567890,"banned":false,"gone":null,
		"emails":[{"id":"idn_1"},{"id":"idn_2"}],"a.b":1,"":{"x":"2"},"metadata":{"role":"admin"}},"type":"user.created"}`
	tests := map[string]struct {
		match map[string]string
		want  bool
	}{
		"text":                      {map[string]string{"data.id": "user_1"}, true},
		"other text":                {map[string]string{"data.id": "user_2"}, false},
		"the beginning of a text":   {map[string]string{"data.id": "user"}, false},
		"an escaped text":           {map[string]string{"data.name": "Müller"}, true},
		"a large number":            {map[string]string{"data.age": "12345678901234567890"}, true},
		"false":                     {map[string]string{"data.banned": "false"}, true},
		"null":                      {map[string]string{"data.gone": ""}, true},
		"nothing there":             {map[string]string{"data.nothing": ""}, true},
		"nothing under a text":      {map[string]string{"data.id.0": ""}, true},
		"something under a text":    {map[string]string{"data.id.0": "u"}, false},
		"an index":                  {map[string]string{"data.emails.1.id": "idn_2"}, true},
		"another index":             {map[string]string{"data.emails.0.id": "idn_2"}, false},
		"an object":                 {map[string]string{"data.metadata": `{"role":"admin"}`}, true},
		"an empty name":             {map[string]string{"data..x": "2"}, true},
		"an object and one further": {map[string]string{"data.metadata": `{"role":"admin"}`, "data.metadata.role": "admin"}, true},
		"one of two":                {map[string]string{"data.id": "user_1", "type": "user.deleted"}, false},
		"two of two":                {map[string]string{"data.id": "user_1", "type": "user.created"}, true},
	}
	var everyone []*listener
	for name, test := range tests {
		everyone = append(everyone, &listener{who: name, wishes: Wishes{Match: test.match}})
	}
	d := &Delivery{Body: []byte(payload), Type: "user.created"}
	wanting := make(map[string]bool)
	for _, l := range newChoice(everyone).wanting(d) {
		wanting[l.who] = true
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if wanting[name] != test.want {
				t.Errorf("the listener gets the delivery: %t", wanting[name])
			}
		})
	}
}
