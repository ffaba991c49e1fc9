package inspector

import (
	"net/http"
	"slices"
	"strings"
)

// noteView says what a delivery's answer means where that is not plain.
type noteView struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Each message may stand in the middle of a sentence.
const (
	noteRedirect = "Svix does not follow redirects: it takes this answer for a failure, and sends the delivery again later. " +
		"The usual cause is middleware that sends visitors to a sign-in page, or an application that adds or removes a slash at the end of the path. " +
		"Exclude the path of the endpoint from the middleware, or give the sender the URL that answers"
	noteUntyped = `the payload's top level has no "type" that is text, so no pattern of events matches it. Leave events out to forward it`
)

func (rc *Recorder) notesOn(r *Recording) []noteView {
	notes := []noteView{}
	if r.decision.Outcome == filtered && r.decision.Type == "" {
		notes = append(notes, noteView{"no_type", noteUntyped})
	}
	if r.answer == nil || r.stages.forwarded == 0 {
		return notes
	}
	if status := r.answer.status; status >= 300 && status < 400 {
		notes = append(notes, noteView{"redirect", noteRedirect})
	}
	if r.origin == Replayed {
		if missing := rc.credentialsNote(r.replayOf, r.answer.status, r.request.header.has); missing != "" {
			notes = append(notes, noteView{"credentials_not_kept", missing})
		}
	}
	return notes
}

// credentialsNote says which credentials of the original a replay was sent without, if
// its answer asks for some. It returns "" if there is nothing to say, or if the original
// is no longer kept.
func (rc *Recorder) credentialsNote(original uint64, status int, has func(name string) bool) string {
	if !slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired}, status) {
		return ""
	}
	r := rc.find(original)
	if r == nil {
		return ""
	}
	var missing []string
	for _, f := range r.request.header.sorted() {
		if f.Redacted && !has(f.Name) && !slices.Contains(missing, f.Name) {
			missing = append(missing, f.Name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return "the replay was sent without " + strings.Join(missing, " and ") + ", which the original had and the inspector does not keep. To send it, edit the replay and add the header"
}
