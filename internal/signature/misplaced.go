package signature

import (
	"errors"
	"regexp"
)

// HoldsSecret reports whether a text has something anywhere in it that shows a signing
// secret, a listen token, or a key of an API such as Clerk's. What must hold no secret is
// refused then.
func HoldsSecret(text string) bool { return secretForm.MatchString(text) }

// A name such as task_test_1 is no key of an API. Public relays have shorter listen
// tokens, which belong into URLs.
var secretForm = regexp.MustCompile(`wh(?:sec|pk|sk)_|\bsk_(?:live|test)_|sk_(?:live|test)_[0-9A-Za-z]{20}|c_[2-7a-z]{32}`)

// HoldsPassword reports whether a text has a URL with a password anywhere in it, or the
// keywords of a database with one.
func HoldsPassword(text string) bool { return password.MatchString(text) }

// MayHoldSecret also reports a password, and what may be a key without its prefix. It can be
// wrong, so it is for errors.
func MayHoldSecret(text string) bool {
	return HoldsSecret(text) || HoldsPassword(text) || hideKeys(text) != text
}

// Redact replaces what MayHoldSecret finds, and the tokens of public relays, for an error
// that repeats what somebody wrote.
func Redact(text string) string {
	text = password.ReplaceAllString(text, "${1}${3}…${2}")
	return hideKeys(redactable.ReplaceAllString(text, "${1}${2}…"))
}

// RedactError returns an error without what Redact replaces.
func RedactError(err error) error {
	if err == nil {
		return nil
	}
	if text := Redact(err.Error()); text != err.Error() {
		return errors.New(text)
	}
	return err
}

// redactable does not match "whsec_…", which stands in explanations.
var redactable = regexp.MustCompile(`(wh(?:sec|pk|sk)_|\bsk_(?:live|test)_)[\w+/=%-]+|\w*?(sk_(?:live|test)_|c_)[0-9A-Za-z]{10}[\w+/=%-]*`)

// password matches scheme://user:password@ up to the last @, because a password that is
// not encoded can have one, and password=… or password='…' of a database. If a password
// has a slash, net/url calls the part in front of it an invalid port.
var password = regexp.MustCompile(`(\w[\w+.-]*://)[^\s:/?#@]*:\S*(@)|(?i:(password *= *|invalid port ":))(?:'(?:\\+.|[^'\\])*'?|[^\s&"'…][^\s&"]*)`)

// keyRun matches what may be a key of at least minKeyLength bytes in base64, base64 for
// URLs or hexadecimal digits. It also matches paths and long names.
var keyRun = regexp.MustCompile(`[0-9A-Za-z+/_%-]{32,}={0,2}`)

// words matches a keyRun of which each part reads as words (with numbers behind them), as
// a number, as an abbreviation or as hexadecimal digits of an id. It also matches ids of
// Clerk and Svix, such as user_29w83sxmDNGwOuEthce5gg5FcCC. Less than one random key in
// a thousand reads like that.
var words = func() *regexp.Regexp {
	const part = `(?:(?:[A-Z]*[a-z]{2,}[0-9]*)+|(?:[A-Z]*[a-z]{2,}|[A-Z][a-z])+[0-9]*|[A-Z]*[0-9]*|[0-9A-Za-z]{1,5}|[0-9a-f]{6,47}|[0-9A-F]{6,47}|[a-z]{2,12}_[0-9A-Za-z]{27})`
	return regexp.MustCompile(`^(?:` + part + `[+/_%-])*` + part + `=*$`)
}()

func hideKeys(text string) string {
	return keyRun.ReplaceAllStringFunc(text, func(run string) string {
		if words.MatchString(run) {
			return run
		}
		return "…"
	})
}
