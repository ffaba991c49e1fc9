package deduplicate_test

import (
	"testing"

	_ "github.com/caddyclerk/caddy-clerk-webhook" // which is tested
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
)

func TestMain(m *testing.M) { testcaddy.Main(m) }
