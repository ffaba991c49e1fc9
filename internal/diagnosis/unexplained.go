package diagnosis

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// unexplained returns what is suspicious in a delivery, if no combination explains its
// signature.
func unexplained(d Delivery, headers signature.Headers, headerErr error, keys []candidate[key]) []Finding {
	var findings []Finding
	if headerErr != nil {
		findings = append(findings, headerFinding(headerErr, false))
	}
	findings = append(findings, invalidSecrets(d)...)
	if !isMissing(headerErr) {
		findings = append(findings, suspiciousSignature(headers, keys)...)
	}
	findings = append(findings, suspiciousBody(d)...)
	if headerErr != nil {
		return findings
	}
	switch {
	case len(keys) > 0:
		findings = append(findings, unknownSecret(d, len(findings) > 0))
	case len(findings) == 0: // the endpoint may be gone from the configuration
		findings = append(findings, Finding{Code: SecretUnknown, Message: "there is no longer a signing secret, so the cause cannot be found"})
	}
	if f, refused := Clock(headers.Time, d.Received, d.Tolerance); refused {
		findings = append(findings, f)
	}
	return findings
}

func isMissing(err error) bool {
	var e *signature.Error
	return errors.As(err, &e) && e.Reason == signature.MissingHeader
}

func explainsHeaders(fixes []Finding) bool {
	codes := []Code{
		HeaderRenamed, IDAltered, IDOtherAttempt, TimestampAltered, TimestampFormat,
		TimestampOtherAttempt, SignatureAltered, SignatureOtherAttempt,
	}
	return slices.ContainsFunc(fixes, func(f Finding) bool { return slices.Contains(codes, f.Code) })
}

func invalidSecrets(d Delivery) []Finding {
	var findings []Finding
	for _, s := range d.Secrets {
		if s.Key != nil {
			continue
		}
		if _, err := signature.ParseSecret(s.Text()); err != nil {
			findings = append(findings, Finding{Code: SecretInvalid, Message: fmt.Sprintf("the secret %q cannot be used: %v", s.Name, err)})
		}
	}
	return findings
}

func suspiciousSignature(h signature.Headers, keys []candidate[key]) []Finding {
	var hmac, publicKey, broken bool
	for entry := range strings.FieldsSeq(h.Signatures) {
		version, sig, _ := strings.Cut(entry, ",")
		switch {
		case version == "v1" && len(sig) == 44:
			hmac = true
		case version == "v1a" && len(sig) == 88:
			publicKey = true
		default:
			broken = true
		}
	}
	var symmetric, asymmetric bool
	for _, k := range keys {
		if len(k.fixes) == 0 {
			symmetric = symmetric || k.value.secret.Symmetric()
			asymmetric = asymmetric || !k.value.secret.Symmetric()
		}
	}
	switch {
	case publicKey && !hmac && symmetric && !asymmetric:
		return []Finding{{Code: SignatureKind, Message: "the signature is an Ed25519 one (v1a), which needs the sender's public key (whpk_…), but the secret is for HMAC (whsec_…)"}}
	case hmac && !publicKey && asymmetric && !symmetric:
		return []Finding{{Code: SignatureKind, Message: "the signature is an HMAC (v1), which needs the signing secret (whsec_…), but a public key (whpk_…) was given"}}
	case broken && !hmac && !publicKey && h.Signatures != "":
		return []Finding{{Code: SignatureAltered, Message: "the signature header has no complete signature: a complete signature is \"v1,\" and 44 characters of base64, or \"v1a,\" and 88 characters"}}
	}
	return nil
}

func suspiciousBody(d Delivery) []Finding {
	body := d.Body
	compression := suspiciousCompression(d)
	switch length, known := contentLength(d.Headers); {
	case len(body) > maxBody:
		return []Finding{{Code: BodyTooLarge, Message: fmt.Sprintf("the body has %d bytes, which is too large to search for the cause: the limit is %d bytes", len(body), maxBody)}}
	case len(body) == 0:
		return []Finding{{Code: BodyEmpty, Message: "the body is empty: either the sender sent none, or something (a body parser, a middleware) read the body first and did not keep its bytes"}}
	case known && length > len(body):
		return []Finding{{Code: BodyTruncated, Message: fmt.Sprintf("the body is truncated: it has %d bytes, and Content-Length says %d", len(body), length)}}
	case compression != nil:
		return compression
	case endsEarly(body):
		return []Finding{{Code: BodyTruncated, Message: fmt.Sprintf("the body is truncated: its JSON is not complete after %d bytes", len(body))}}
	case !isJSON(body) && utf8.Valid(body):
		return []Finding{{Code: BodyNotRaw, Message: "the body is not JSON: did something convert a parsed object to text instead of keeping the bytes?"}}
	case !utf8.Valid(body):
		return []Finding{{Code: BodyCharset, Message: "the body is not UTF-8: something converted it to another character set"}}
	case bytes.ContainsRune(body, utf8.RuneError):
		return []Finding{{Code: BodyCharset, Message: "the body contains the replacement character U+FFFD: something decoded the body in the wrong character set, which cannot be undone"}}
	}
	return nil
}

func isJSON(body []byte) bool { return json.Valid(bytes.TrimPrefix(body, bom)) }

func endsEarly(body []byte) bool {
	var value json.RawMessage
	err := json.NewDecoder(bytes.NewReader(body)).Decode(&value)
	return errors.Is(err, io.ErrUnexpectedEOF)
}

// unknownSecret is the last explanation. It is the most probable one if nothing else
// is suspicious.
func unknownSecret(d Delivery, otherFindings bool) Finding {
	known := "any of the known secrets"
	if len(d.Secrets)+len(d.OtherSecrets) == 1 {
		known = "the known secret"
	}
	message := "it was not signed with " + known + ", or something changed the body: first compare your secret with the signing secret of this endpoint in this environment. If they are the same, find what changes the body on its way"
	if otherFindings {
		message = "otherwise " + message
	}
	return Finding{Code: SecretUnknown, Message: message}
}
