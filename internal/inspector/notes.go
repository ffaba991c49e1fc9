package inspector

import (
	"net/http"
	"slices"
	"strings"
)

// noteView says what a delivery's answer means, if that is not obvious.
type noteView struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Each message may stand in the middle of a sentence.
const (
	noteRedirect = "Svix does not follow redirects: it treats this answer as a failure, and sends the delivery again later. " +
		"The usual cause is middleware that sends visitors to a sign-in page, or an application that adds or removes a slash at the end of the path. " +
		"Exclude the path of the endpoint from the middleware, or give the sender a URL that answers without a redirect"
	noteUntyped = "the payload has no top-level \"type\" with a text value, so no pattern in the option 'events' matches it. To forward it, remove the option 'events'"
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
	return "the replay was sent without " + strings.Join(missing, " and ") + ", because the inspector does not keep credentials. To send credentials, edit the replay and add the header"
}
