package storage

import (
	"testing"

	"github.com/caddyserver/certmagic"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/ledger"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
	"github.com/caddyclerk/caddy-clerk-webhook/stores/storetest"
)

func TestStore(t *testing.T) {
	process, storage := ledger.NewStorageProcess(), &certmagic.FileStorage{Path: testcaddy.StorageDir(t)}
	storetest.Run(t, func(t *testing.T) stores.Store {
		s := &Store{Storage: ledger.NewStorage(process, storage)}
		t.Cleanup(s.Close)
		return s
	})
}
