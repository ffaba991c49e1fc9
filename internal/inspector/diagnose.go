package inspector

import (
	"fmt"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// diagnose says why r was rejected, as of its arrival and with the secrets that
// are configured now.
func (rc *Recorder) diagnose(r *Record) diagnosis.Result {
	switch {
	case r.verdict.Reason != string(signature.Mismatch):
		return diagnosis.Result{Findings: []diagnosis.Finding{byReason(r)}}
	case !r.request.body.isComplete():
		return diagnosis.Result{Findings: []diagnosis.Finding{{
			Code:    diagnosis.BodyTooLarge,
			Message: fmt.Sprintf("of the body's %d bytes only the first %d were kept here, which is too few to say why the signature does not match", r.request.body.size, len(r.request.body.data)),
		}}}
	}

	d := diagnosis.Delivery{Headers: make(map[string][]string), Body: r.request.body.data, Received: r.time}
	for _, f := range r.request.header {
		if !f.redacted {
			d.Headers[f.name] = append(d.Headers[f.name], f.value)
		}
	}
	current := rc.currentEndpoints()
	own := endpointOf(r, current)
	for _, e := range current {
		for _, s := range e.Secrets {
			if e != own {
				d.OtherSecrets = append(d.OtherSecrets, diagnosis.Secret{Name: nameElsewhere(s, e, own), Key: s.Key})
				continue
			}
			d.Secrets = append(d.Secrets, diagnosis.Secret{Name: s.Name, Key: s.Key})
			d.Tolerance = e.Tolerance
		}
	}
	return diagnosis.Diagnose(d)
}

// nameElsewhere names a secret of another endpoint.
func nameElsewhere(s Secret, other, own *Endpoint) string {
	if own != nil && own.Name == other.Name {
		return s.Name + " of another endpoint called " + other.Name
	}
	return s.Name + " of " + other.Name
}

// byReason explains what was rejected before its signature was checked, of
// which the reason tells all.
func byReason(r *Record) diagnosis.Finding {
	if f, found := diagnosis.Milliseconds(r.verdict.SignedAt.Unix()); found {
		f.Proven = true
		return f
	}
	f := diagnosis.Finding{Code: diagnosis.Code(r.verdict.Reason), Proven: true}
	switch age := r.age().Truncate(time.Second); r.verdict.Reason {
	case string(signature.TooOld):
		f.Message = fmt.Sprintf("the timestamp is %s old: is the clock right, or was an old delivery sent again as it was?", age)
	case string(signature.TooNew):
		f.Message = fmt.Sprintf("the timestamp is %s in the future: is the clock right?", -age)
	case string(signature.MissingHeader), string(signature.MalformedHeader):
		f.Message = headerFault(r)
	case "method_not_allowed":
		f.Message = "it is not a POST, as all deliveries are: does the sender, or a redirect, use another method?"
	case "body_too_large":
		f.Message = "the body is larger than max_body allows"
	case "body_timeout":
		f.Message = "the body did not arrive within body_timeout: is it held up on its way?"
	case "body_incomplete":
		f.Message = "the connection ended, or failed, before the whole body had arrived"
	default:
		f.Message = "it was rejected before its body was read"
	}
	return f
}

func headerFault(r *Record) string {
	header := make(map[string][]string)
	for _, field := range r.request.header {
		header[field.name] = append(header[field.name], field.value)
	}
	if _, err := signature.ParseHeaders(header); err != nil {
		return err.Error() + ": does something on the way remove or change headers, or is it no delivery at all?"
	}
	return "the headers of the signature are missing or malformed"
}
