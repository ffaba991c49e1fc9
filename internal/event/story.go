package event

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Story makes payloads as Clerk would send them one after the other, with fresh ids
// and times. The payloads agree with each other. The user that is updated is the
// user that was created, with the same created_at and a later updated_at. Ids of the
// Clerk instance, such as those of its plans, stay as in the examples.
//
// If a story creates the same thing a second time, it starts over: all its things
// get new ids.
type Story struct {
	things map[string]*thing // by the id in the examples
	suffix string            // makes names unique
	last   time.Time
}

// thing is what a story has said about one object that has an id.
type thing struct {
	id         string
	latest     []byte           // the object as it was last written
	created    int64            // created_at, or 0
	times      map[string]int64 // from the payloads that were about it
	wasSubject bool             // whether there was such a payload
}

// instanceIDs are the prefixes of ids that belong to the Clerk instance.
var instanceIDs = []string{"ins", "cplan", "cprd", "cpayee"}

// sameThing maps ids of the examples to one id for each thing. The examples show
// some things at different times under different ids.
var sameThing = firstOfEach([][]string{
	{"user_39ecC3sf4AmTuJQduiILGOWi21i", "user_3B1LthHJj28d4rw3owVgC6UxlZK"},
	{"idn_39ecBzWPJRjM20jrSHPcoBi324H", "idn_3B1Ltcv3yJ5VCZFHMVcxjtgIlbt"},
	{"idn_39ecC0WaXC0a5xBhdKv11q8nh1L", "idn_3B1LtdvFC3MjGVh7XZ8LxY73QYx"},
	{"eac_39ec4VFrDcVPs48dnblmFPeHnTo", "eac_3B1Lm57b3IG40tbjBWLXPunv7TS"},
	{"orginv_3AvheKdGDf3MiQ8xg3ukyKHIWqQ", "orginv_3B1LtdnAfBXm7vNSL0jFIhsNi9C"},
	{"sess_3B100TgceDZWS8qsIko59KV4SUw", "sess_3B1LtgVcIgjAn6veiYyzILyVuKU"},
	{"sess_activity_3B100UdE9jBatG1ud5nnOSJ0CwN", "sess_activity_3B1LthSDoCLFEE6h2tyhXTmRelv"},
	{"client_39ebwvXd0pFZjUMlHD33u61CmFm", "client_3B100VAtMr7fzObaQd4yxMfiSAQ", "client_3B1Lthzt1KHKKMgMqRFt6O99tzy"},
	{"cpayer_39ecC3vtboWzeGEZCSQcGuIljc3", "cpayer_39ecC2MjZdE4DJYwfRGx18J2bOc"},
	{
		"csub_item_39ecBzIy9D4Hi9A7gVu6hMpNg5X", "csub_item_39ecC5JkdAOHgQAsct1TRyV7isG", "csub_item_39ecC1JFUKHzj6ja4SuSkJ3x0cb",
		"csub_item_39ecC5kdGhNYDSQyBB7Qng5KmOS", "csub_item_39ecC4AlX00jijHCzEgXIi06n1u",
	},
	{"csub_item_39ecBz68bxHLEblqXDQGzHncHK2", "csub_item_39ecC4FbQCyUQQrm5AV5H1QUnux"},
})

func firstOfEach(groups [][]string) map[string]string {
	first := make(map[string]string)
	for _, group := range groups {
		for _, id := range group {
			first[id] = group[0]
		}
	}
	return first
}

// repeatedKinds are the kinds of objects that are repeated as they were last
// written, where a payload about something else has them.
var repeatedKinds = []string{
	"user", "organization", "permission", "commerce_payer",
	"email_address", "phone_number", "web3_wallet", "external_account", "passkey",
}

// changingTimes are the members with times of a payload's subject that a later event
// may change. Its other times stay.
var changingTimes = []string{"updated_at", "last_active_at", "period_start", "period_end", "next_payment_date"}

// uniqueNames are the names in the examples that are unique in a Clerk instance,
// besides email addresses.
var uniqueNames = []string{"nadia_okafor", "crm-48213", "bluefin-rowing-club"}

// NewStory returns an empty story.
func NewStory() *Story {
	s := &Story{}
	s.startOver()
	return s
}

func (s *Story) startOver() {
	id := NewID("", time.Time{})
	s.suffix = strings.ToLower(id[len(id)-6:])
	s.things = make(map[string]*thing)
}

// Tell returns the payload of an event of this type that happens now, in the form of
// Canonical. It also returns whether the type is in the catalogue. If the story's
// last event is less than a millisecond ago, this one is a millisecond later.
func (s *Story) Tell(eventType string, now time.Time) (payload []byte, known bool) {
	example, known := Example(eventType)
	if !known {
		return nil, false
	}
	if now.Sub(s.last) < time.Millisecond {
		now = s.last.Add(time.Millisecond)
	}
	s.last = now

	event := gjson.ParseBytes(example)
	subjectID := canonicalID(event.Get("data.id").Str)
	creates := strings.HasSuffix(eventType, ".created")
	if creates && s.things[subjectID] != nil && s.things[subjectID].wasSubject {
		s.startOver()
	}
	w := payloadWriter{story: s, subjectID: subjectID, creates: creates}
	return w.object(nil, event, eventTimes(event, now)), true
}

// eventTimes returns the times of an event that is sent now. The change that it is
// about happened a little earlier.
func eventTimes(event gjson.Result, now time.Time) timeMap {
	sent := event.Get("timestamp").Int()
	happened := sent
	if updated, ok := milliseconds(event.Get("data.updated_at")); ok {
		happened = updated
	}
	return keepDistance(happened, now.UnixMilli()-(sent-happened))
}

func canonicalID(id string) string {
	if first, ok := sameThing[id]; ok {
		return first
	}
	return id
}

// thingOf returns the thing that has this id in the examples, or nil if the id is of
// no thing in this story.
func (s *Story) thingOf(id string) *thing {
	prefix := idPrefix(id)
	if prefix == "" || slices.Contains(instanceIDs, prefix) {
		return nil
	}
	id = canonicalID(id)
	if s.things[id] == nil {
		s.things[id] = &thing{id: NewID(prefix, s.last), times: make(map[string]int64)}
	}
	return s.things[id]
}

type payloadWriter struct {
	story     *Story
	subjectID string // the example's id of the thing that the event is about
	creates   bool
}

func (w *payloadWriter) value(dst []byte, value gjson.Result, times timeMap) []byte {
	switch {
	case value.IsObject():
		return w.object(dst, value, times)
	case value.IsArray():
		return w.array(dst, value, times)
	case value.Type == gjson.String:
		return w.text(dst, value, times)
	}
	if example, isTime := milliseconds(value); isTime {
		return strconv.AppendInt(dst, times.at(example), 10)
	}
	return append(dst, value.Raw...)
}

func (w *payloadWriter) array(dst []byte, array gjson.Result, times timeMap) []byte {
	dst = append(dst, '[')
	for i, element := range array.Array() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.value(dst, element, times)
	}
	return append(dst, ']')
}

// object appends an object. It repeats what was last written if the object is of a
// repeated kind.
func (w *payloadWriter) object(dst []byte, object gjson.Result, times timeMap) []byte {
	t := w.story.thingOf(object.Get("id").Str)
	if t == nil {
		return w.members(dst, object, nil, times)
	}
	isSubject := canonicalID(object.Get("id").Str) == w.subjectID
	if !isSubject && t.latest != nil && slices.Contains(repeatedKinds, object.Get("object").Str) {
		return append(dst, t.latest...)
	}
	var subject *thing
	if isSubject {
		subject, t.wasSubject = t, true
	}
	start := len(dst)
	dst = w.members(dst, object, subject, w.objectTimes(t, object, times, isSubject))
	if object.Get("object").Exists() && !object.Get("deleted").Exists() { // more than a reference to it
		t.latest = slices.Clone(dst[start:])
	}
	return dst
}

// objectTimes returns the times of the object that is the thing t, and remembers when
// t was created.
func (w *payloadWriter) objectTimes(t *thing, object gjson.Result, outer timeMap, isSubject bool) timeMap {
	created, ok := milliseconds(object.Get("created_at"))
	if !ok {
		return outer
	}
	switch {
	case t.created != 0: // known already
	case isSubject && w.creates:
		t.created = outer.at(max(created, object.Get("updated_at").Int()))
	case created < outer.exampleCreated: // older than the object that it is a part of
		t.created = keepDistance(outer.exampleNow, outer.now).at(created)
	default:
		t.created = outer.at(created)
	}
	return outer.withCreation(created, t.created)
}

// members appends an object's members. subject is the thing that the event is about,
// if the object is that thing. Its times stay as they were in earlier payloads,
// except changingTimes.
func (w *payloadWriter) members(dst []byte, object gjson.Result, subject *thing, times timeMap) []byte {
	dst = append(dst, '{')
	first := true
	object.ForEach(func(key, value gjson.Result) bool {
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(append(dst, key.Raw...), ':')
		if example, isTime := milliseconds(value); isTime && subject != nil {
			dst = strconv.AppendInt(dst, subject.timeOf(key.Str, times.at(example)), 10)
			return true
		}
		dst = w.value(dst, value, times)
		return true
	})
	return append(dst, '}')
}

// timeOf returns the time that this member had before, unless it may change.
func (t *thing) timeOf(name string, now int64) int64 {
	if before, ok := t.times[name]; ok && !slices.Contains(changingTimes, name) {
		return before
	}
	t.times[name] = now
	return now
}

func (w *payloadWriter) text(dst []byte, value gjson.Result, times timeMap) []byte {
	text := value.Str
	if t := w.story.thingOf(text); t != nil {
		text = t.id
	} else {
		text = w.story.uniqueName(times.textAt(text))
	}
	if text == value.Str {
		return append(dst, value.Raw...)
	}
	return strconv.AppendQuote(dst, text) // ids, times and names are plain ASCII
}

// uniqueName adds the story's suffix to email addresses and other unique names,
// because no two users of an instance share one.
func (s *Story) uniqueName(name string) string {
	if slices.Contains(uniqueNames, name) {
		separator := "-"
		if strings.Contains(name, "_") {
			separator = "_"
		}
		return name + separator + s.suffix
	}
	if local, domain, isAddress := strings.Cut(name, "@"); isAddress && !strings.ContainsAny(name, " \n<>") && local != "" && strings.Contains(domain, ".") && !strings.Contains(domain, "/") {
		return local + "+" + s.suffix + "@" + domain
	}
	return name
}
