// Package shell writes words and curl commands for POSIX shells.
package shell

import "strings"

// Quote writes any text as one word in single quotes.
func Quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// Word does the same for people to read: it adds no quotes to a text that every shell
// reads as it is.
func Word(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,"
	if s != "" && strings.Trim(s, plain) == "" {
		return s
	}
	return Quote(s)
}
