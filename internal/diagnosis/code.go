package diagnosis

// Code names a cause. The codes are stable, because scripts rely on them.
type Code string

// The headers.
const (
	MissingHeader         Code = "missing_header"          // one of the three headers is missing
	MalformedHeader       Code = "malformed_header"        // one of the three headers cannot be what the sender sent
	HeaderRenamed         Code = "header_renamed"          // it has another name
	IDAltered             Code = "id_altered"              // quotes, spaces or the like around it
	IDOtherAttempt        Code = "id_other_attempt"        // from another delivery
	TimestampAltered      Code = "timestamp_altered"       // quotes, spaces or the like around it
	TimestampFormat       Code = "timestamp_format"        // milliseconds, or a date, instead of seconds
	TimestampOtherAttempt Code = "timestamp_other_attempt" // from another attempt
	SignatureAltered      Code = "signature_altered"       // decoded, stripped or quoted on its way
	SignatureOtherAttempt Code = "signature_other_attempt" // from another delivery
	SignatureKind         Code = "signature_kind"          // Ed25519 where the secret is for HMAC, or the reverse
)

// The clock.
const (
	TimestampTooOld Code = "timestamp_too_old"
	TimestampTooNew Code = "timestamp_too_new"
)

// The secret.
const (
	SecretOther      Code = "secret_other"       // it is the secret of another endpoint
	SecretUnknown    Code = "secret_unknown"     // no given secret explains the signature
	SecretQuoted     Code = "secret_quoted"      // quotation marks around it
	SecretWhiteSpace Code = "secret_white_space" // white space in it, or written as \n
	SecretPrefix     Code = "secret_prefix"      // the prefix is missing, doubled or wrong
	SecretAltered    Code = "secret_altered"     // its base64 was rewritten for a URL
	SecretPrivateKey Code = "secret_private_key" // the sender's private key instead of the public one
	SecretAsText     Code = "secret_as_text"     // the signer used its text as the key, without decoding it
	SecretInvalid    Code = "secret_invalid"     // it cannot be a secret
)

// The body.
const (
	BodyNewlineAdded Code = "body_newline_added"
	BodyNewlineLost  Code = "body_newline_lost"
	BodyLineEnds     Code = "body_line_ends" // CRLF instead of LF, or the reverse
	BodyBOM          Code = "body_bom"       // a byte order mark was added or removed
	BodyCharset      Code = "body_charset"   // decoded as another character set
	BodyJSONString   Code = "body_json_string"
	BodyBase64       Code = "body_base64"
	BodyCompressed   Code = "body_compressed"
	BodySurplus      Code = "body_surplus" // more than was signed
	BodyTruncated    Code = "body_truncated"
	BodyEmpty        Code = "body_empty"
	BodyNotRaw       Code = "body_not_raw" // an object turned into text that is not JSON
	BodyTooLarge     Code = "body_too_large"
	JSONSpacing      Code = "json_spacing"
	JSONEscaping     Code = "json_escaping"
	JSONKeyOrder     Code = "json_key_order"
)
