//go:build long

package diagnosis

import "testing"

func TestTimeIsBoundedWithTheFullBudget(t *testing.T) { checkTimeIsBounded(t, 1<<20, fullBudget) }
