package inspector

import (
	"fmt"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// diagnose says why r was rejected, at the time of its arrival and with the secrets
// of today's configuration.
func (rc *Recorder) diagnose(r *Recording) diagnosis.Result {
	current := rc.currentEndpoints()
	own := endpointOf(r, current)
	switch {
	case r.decision.Reason != string(signature.Mismatch):
		return diagnosis.Result{Findings: []diagnosis.Finding{byReason(r, own)}}
	case !r.request.body.isComplete():
		return diagnosis.Result{Findings: []diagnosis.Finding{{
			Code:    diagnosis.BodyTooLarge,
			Message: fmt.Sprintf("the inspector kept only %[2]d of the body's %[1]d bytes, so it cannot say why the signature does not match", r.request.body.size, len(r.request.body.data)),
		}}}
	}

	d := diagnosis.Delivery{Headers: r.request.header.http(), Body: r.request.body.data, Received: r.time}
	for _, e := range current {
		for _, s := range e.Secrets {
			if e != own {
				d.OtherSecrets = append(d.OtherSecrets, diagnosis.Secret{Name: s.Name, Owner: ownerOf(e, own), Key: s.Key})
				continue
			}
			d.Secrets = append(d.Secrets, s)
			d.Tolerance = e.Tolerance
		}
	}
	return diagnosis.Diagnose(d)
}

func ownerOf(other, own *Endpoint) string {
	if own != nil && own.Name == other.Name {
		return fmt.Sprintf("another endpoint that is called %q, too", other.Name)
	}
	return fmt.Sprintf("the endpoint %q", other.Name)
}

// byReason explains a rejection before the signature was checked. It proves nothing:
// the signature may be wrong, too.
func byReason(r *Recording, own *Endpoint) diagnosis.Finding {
	f := diagnosis.Finding{Code: diagnosis.Code(r.decision.Reason)}
	switch r.decision.Reason {
	case string(signature.TooOld), string(signature.TooNew):
		return clockFault(r, own)
	case string(signature.MissingHeader), string(signature.MalformedHeader):
		f.Message = headerFault(r)
	case "method_not_allowed":
		f.Message = "it is not a POST request, but every delivery is one: look for a redirect, or for a sender that uses another method"
	case "body_too_large":
		f.Message = "the body is larger than max_body or a request_body in front of the guard allows: the log says which"
	case "body_timeout":
		f.Message = "the body did not arrive within body_timeout, or within the server's own read_body: find what delays it on its way"
	case "body_incomplete":
		f.Message = "the connection ended before the whole body had arrived"
	default:
		f.Message = "the guard did not read the body"
	}
	return f
}

func clockFault(r *Recording, own *Endpoint) diagnosis.Finding {
	tolerance := diagnosis.DefaultTolerance
	if own != nil {
		tolerance = own.Tolerance
	}
	if f, refused := diagnosis.Clock(r.decision.SignedAt, r.time, tolerance); refused {
		return f
	}
	return diagnosis.Finding{Code: diagnosis.Code(r.decision.Reason), Message: "at its arrival, the timestamp was further from the clock than the option tolerance allowed then"}
}

func headerFault(r *Recording) string {
	if _, err := signature.ParseHeaders(r.request.header.http()); err != nil {
		return err.Error() + ": look for a proxy that removes or changes headers, or for a program that sends something other than deliveries"
	}
	return "the headers of the signature are missing or malformed"
}
