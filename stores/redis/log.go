package redis

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database"
	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// clients is the log of go-redis, which has one for all its clients in a process.
// Those of other plugins use it, too.
var clients = &clientLog{
	logger: func() *zap.Logger { return caddy.Log().Named("go-redis") },
	said:   make(map[string]time.Time),
}

// quiet is how long the log has no second line of one kind. go-redis has one for each
// connection that fails.
const quiet = time.Minute

type clientLog struct {
	logger func() *zap.Logger

	mu      sync.Mutex
	said    map[string]time.Time // when each format was last used; they are constants of go-redis
	secrets []string             // that must not be in a line
}

// hide keeps secrets out of the log from now on.
func (l *clientLog) hide(secrets []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, secret := range secrets {
		if !slices.Contains(l.secrets, secret) {
			l.secrets = append(l.secrets, secret)
		}
	}
}

// Printf writes a line. go-redis also returns what is an error.
func (l *clientLog) Printf(_ context.Context, format string, values ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if time.Since(l.said[format]) < quiet {
		return
	}
	l.said[format] = time.Now()
	l.logger().Info(database.Hide(fmt.Sprintf(format, values...), l.secrets...))
}
