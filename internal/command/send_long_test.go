//go:build long

package command_test

import "testing"

func TestSendManyInBoundedMemory(t *testing.T) {
	few, many := sendMany(t, 100), sendMany(t, 10_000)
	if many-few > 64<<10 {
		t.Errorf("100 deliveries took %d KiB, 10000 took %d", few, many)
	}
}
