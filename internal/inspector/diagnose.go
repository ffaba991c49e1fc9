package inspector

import (
	"fmt"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// diagnose says why r was rejected, as of its arrival and with the secrets that
// are configured now.
func (rc *Recorder) diagnose(r *Record) diagnosis.Result {
	current := rc.currentEndpoints()
	own := endpointOf(r, current)
	switch {
	case r.verdict.Reason != string(signature.Mismatch):
		return diagnosis.Result{Findings: []diagnosis.Finding{byReason(r, own)}}
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

// byReason explains what was rejected before its signature was checked. Nothing
// is proven by that: the signature may be wrong, too.
func byReason(r *Record, own *Endpoint) diagnosis.Finding {
	f := diagnosis.Finding{Code: diagnosis.Code(r.verdict.Reason)}
	switch r.verdict.Reason {
	case string(signature.TooOld), string(signature.TooNew):
		return clockFault(r, own)
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

func clockFault(r *Record, own *Endpoint) diagnosis.Finding {
	tolerance := diagnosis.DefaultTolerance
	if own != nil {
		tolerance = own.Tolerance
	}
	if f, refused := diagnosis.Clock(r.verdict.SignedAt, r.time, tolerance); refused {
		return f
	}
	return diagnosis.Finding{Code: diagnosis.Code(r.verdict.Reason), Message: "the timestamp was further from the clock than tolerance allowed then"}
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
