// Package shell writes words for POSIX shells.
package shell

import "strings"

// Quote makes one word of s, whatever characters it has, by single quotes.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Word is Quote for what a person reads: it leaves s alone where no shell would
// see more in it than its characters.
func Word(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return Quote(s)
}
