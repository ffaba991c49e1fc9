// Package signature reads, checks and makes the signatures of webhook
// deliveries as Svix defines them and as the Standard Webhooks specification
// (version 1.0.0) has adopted them: three headers sign the text
//
//	<id>.<timestamp>.<body>
//
// with HMAC-SHA256 ("v1", secret whsec_…) or Ed25519 ("v1a", public key
// whpk_…).
//
// The package knows neither Caddy nor a server: it takes headers and bytes.
package signature
