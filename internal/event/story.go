package event

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Story makes payloads such as Clerk would send them one after the other: with
// ids and times of their own, and in agreement with each other. The user who is
// updated is the one who was created, has the same created_at, and a later
// updated_at. What belongs to the Clerk instance and not to the story, such as
// its id and its plans, stays as in the examples.
//
// A story that creates the same thing a second time begins anew: nothing in it
// is what it was before.
type Story struct {
	entities map[string]*entity // by the id in the examples
	handle   string             // makes names unique
	last     time.Time
}

// entity is what a story has told about one thing that has an id.
type entity struct {
	id      string
	raw     []byte           // as it was told last
	born    int64            // created_at, or 0
	times   map[string]int64 // of the payloads that were about it
	subject bool             // whether any was
}

// Ids with these prefixes are of the Clerk instance.
var instanceIDs = []string{"ins", "cplan", "cprd", "cpayee"}

// sameEntity lists the ids of the examples that are of one thing, which is told
// of at different times, under the one that stands for all.
var sameEntity = oneForAll([][]string{
	{"user_39ecC3sf4AmTuJQduiILGOWi21i", "user_3B1LthHJj28d4rw3owVgC6UxlZK"},
	{"idn_39ecBzWPJRjM20jrSHPcoBi324H", "idn_3B1Ltcv3yJ5VCZFHMVcxjtgIlbt"},
	{"idn_39ecC0WaXC0a5xBhdKv11q8nh1L", "idn_3B1LtdvFC3MjGVh7XZ8LxY73QYx"},
	{"orginv_3AvheKdGDf3MiQ8xg3ukyKHIWqQ", "orginv_3B1LtdnAfBXm7vNSL0jFIhsNi9C"},
	{"sess_3B100TgceDZWS8qsIko59KV4SUw", "sess_3B1LtgVcIgjAn6veiYyzILyVuKU"},
	{"sess_activity_3B100UdE9jBatG1ud5nnOSJ0CwN", "sess_activity_3B1LthSDoCLFEE6h2tyhXTmRelv"},
	{"client_3B100VAtMr7fzObaQd4yxMfiSAQ", "client_3B1Lthzt1KHKKMgMqRFt6O99tzy"},
	{"cpayer_39ecC3vtboWzeGEZCSQcGuIljc3", "cpayer_39ecC2MjZdE4DJYwfRGx18J2bOc"},
	{
		"csub_item_39ecBzIy9D4Hi9A7gVu6hMpNg5X", "csub_item_39ecC5JkdAOHgQAsct1TRyV7isG", "csub_item_39ecC1JFUKHzj6ja4SuSkJ3x0cb",
		"csub_item_39ecC5kdGhNYDSQyBB7Qng5KmOS", "csub_item_39ecC4AlX00jijHCzEgXIi06n1u",
	},
	{"csub_item_39ecBz68bxHLEblqXDQGzHncHK2", "csub_item_39ecC4FbQCyUQQrm5AV5H1QUnux"},
})

func oneForAll(groups [][]string) map[string]string {
	one := make(map[string]string)
	for _, group := range groups {
		for _, id := range group {
			one[id] = group[0]
		}
	}
	return one
}

// retold lists the kinds of things that, in a payload about something else, are
// told again as they were told last.
var retold = []string{
	"user", "organization", "permission", "commerce_payer",
	"email_address", "phone_number", "web3_wallet", "external_account", "passkey",
}

// moving lists the times of a payload's subject that a later event may change.
// Others, once told, stay.
var moving = []string{"updated_at", "last_active_at", "period_start", "period_end", "next_payment_date"}

// handles lists the names in the examples that are unique in a Clerk instance,
// besides email addresses.
var handles = []string{"nadia_okafor", "crm-48213", "bluefin-rowing-club"}

// NewStory returns a story that has told nothing yet.
func NewStory() *Story {
	s := &Story{}
	s.beginAnew()
	return s
}

func (s *Story) beginAnew() {
	id := NewID("", time.Time{})
	s.handle = strings.ToLower(id[len(id)-6:])
	s.entities = make(map[string]*entity)
}

// Tell returns the payload of an event of the given type that happens now, in
// the form that Canonical has, and whether the type is in the catalogue.
func (s *Story) Tell(eventType string, now time.Time) (payload []byte, known bool) {
	example, known := Example(eventType)
	if !known {
		return nil, false
	}
	if !now.After(s.last.Add(time.Millisecond - 1)) {
		now = s.last.Add(time.Millisecond)
	}
	s.last = now

	event := gjson.ParseBytes(example)
	subjectID := canonicalID(event.Get("data.id").Str)
	creates := strings.HasSuffix(eventType, ".created")
	if creates && s.entities[subjectID] != nil && s.entities[subjectID].subject {
		s.beginAnew()
	}
	t := teller{story: s, subjectID: subjectID, creates: creates}
	return t.object(nil, event, moment(event, now)), true
}

// moment returns the timeline of an event that is sent now. What it tells
// happened a little earlier.
func moment(event gjson.Result, now time.Time) timeline {
	sent := event.Get("timestamp").Int()
	happened := sent
	if updated, ok := milliseconds(event.Get("data.updated_at")); ok {
		happened = updated
	}
	return unborn(happened, now.UnixMilli()-(sent-happened))
}

func canonicalID(id string) string {
	if one, ok := sameEntity[id]; ok {
		return one
	}
	return id
}

// entityOf returns the thing with this id in the examples, or nil if the id is
// of none in this story.
func (s *Story) entityOf(id string) *entity {
	prefix := idPrefix(id)
	if prefix == "" || slices.Contains(instanceIDs, prefix) {
		return nil
	}
	id = canonicalID(id)
	if s.entities[id] == nil {
		s.entities[id] = &entity{id: NewID(prefix, s.last), times: make(map[string]int64)}
	}
	return s.entities[id]
}

// teller writes one payload.
type teller struct {
	story     *Story
	subjectID string // the example's id of what the event is about
	creates   bool
}

func (t *teller) value(dst []byte, value gjson.Result, times timeline) []byte {
	switch {
	case value.IsObject():
		return t.object(dst, value, times)
	case value.IsArray():
		return t.array(dst, value, times)
	case value.Type == gjson.String:
		return t.text(dst, value, times)
	}
	if example, isTime := milliseconds(value); isTime {
		return strconv.AppendInt(dst, times.at(example), 10)
	}
	return append(dst, value.Raw...)
}

func (t *teller) array(dst []byte, array gjson.Result, times timeline) []byte {
	dst = append(dst, '[')
	for i, element := range array.Array() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = t.value(dst, element, times)
	}
	return append(dst, ']')
}

// object appends an object, as it was told before where that is due.
func (t *teller) object(dst []byte, object gjson.Result, times timeline) []byte {
	thing := t.story.entityOf(object.Get("id").Str)
	if thing == nil {
		return t.members(dst, object, nil, times)
	}
	isSubject := canonicalID(object.Get("id").Str) == t.subjectID
	if !isSubject && thing.raw != nil && slices.Contains(retold, object.Get("object").Str) {
		return append(dst, thing.raw...)
	}
	var told *entity
	if isSubject {
		told, thing.subject = thing, true
	}
	start := len(dst)
	dst = t.members(dst, object, told, t.lifeOf(thing, object, times, isSubject))
	if object.Get("object").Exists() && !object.Get("deleted").Exists() { // more than a reference to it
		thing.raw = slices.Clone(dst[start:])
	}
	return dst
}

// lifeOf returns the timeline of an object that is a thing of the story, and
// notes when it was born.
func (t *teller) lifeOf(thing *entity, object gjson.Result, outer timeline, isSubject bool) timeline {
	created, hasBirth := milliseconds(object.Get("created_at"))
	switch {
	case !hasBirth:
		return outer
	case thing.born != 0:
		return outer.bornAt(created, thing.born)
	case isSubject && t.creates:
		thing.born = outer.at(max(created, object.Get("updated_at").Int()))
	case created < outer.exampleBirth: // older than what it is a part of
		outer = unborn(outer.exampleNow, outer.now)
		fallthrough
	default:
		thing.born = outer.at(created)
	}
	return outer.bornAt(created, thing.born)
}

// members appends an object's members. If the object is what the event is
// about, its times that no event changes are those told before.
func (t *teller) members(dst []byte, object gjson.Result, subject *entity, times timeline) []byte {
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
		dst = t.value(dst, value, times)
		return true
	})
	return append(dst, '}')
}

// timeOf returns what was told before under this name, unless it may change.
func (e *entity) timeOf(name string, now int64) int64 {
	if told, ok := e.times[name]; ok && !slices.Contains(moving, name) {
		return told
	}
	e.times[name] = now
	return now
}

func (t *teller) text(dst []byte, value gjson.Result, times timeline) []byte {
	text := value.Str
	if thing := t.story.entityOf(text); thing != nil {
		text = thing.id
	} else {
		text = t.story.uniqueName(times.textAt(text))
	}
	if text == value.Str {
		return append(dst, value.Raw...)
	}
	return strconv.AppendQuote(dst, text) // ids, times and names are plain ASCII
}

// uniqueName gives email addresses and other handles a part of their own, since
// no two users of an instance share one.
func (s *Story) uniqueName(name string) string {
	if slices.Contains(handles, name) {
		separator := "-"
		if strings.Contains(name, "_") {
			separator = "_"
		}
		return name + separator + s.handle
	}
	if local, domain, isAddress := strings.Cut(name, "@"); isAddress && !strings.ContainsAny(name, " \n<>") && local != "" && strings.Contains(domain, ".") && !strings.Contains(domain, "/") {
		return local + "+" + s.handle + "@" + domain
	}
	return name
}
