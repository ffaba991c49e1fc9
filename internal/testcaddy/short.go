//go:build !long

package testcaddy

// Long says whether tests take their time: build tag long sets it.
const Long = false
