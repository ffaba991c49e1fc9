package event

import "net/http"

// SenderHeader returns the headers of Svix's requests without the signed ones.
// Svix's User-Agent has this form: a version, and the name of a sender.
func SenderHeader() http.Header {
	return http.Header{
		"Accept":       {"*/*"},
		"Content-Type": {"application/json"},
		"User-Agent":   {"Svix-Webhooks/1.84.0 (sender-caddy; +https://www.svix.com/http-sender/)"},
	}
}
