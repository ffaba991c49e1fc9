package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database"
	goredis "github.com/redis/go-redis/v9"
)

// advice says what to do about an answer of the server, by what the answer begins
// with.
var advice = []struct{ start, text string }{
	{"WRONGPASS", "the server refuses the user or the password in the URL: correct them; if the server has a password and no users, write redis://:password@host:6379"},
	{"NOAUTH", "the server asks for a password: write it into the URL, redis://:password@host:6379, with a user before the colon if the server has users"},
	{"ERR wrong number of arguments for 'auth' command", "the server is older than Redis 6 and has no users, but the URL has one: write redis://:password@host:6379"},
	{"ERR invalid password", "the server refuses the password in the URL: correct it"},
	{"ERR AUTH", "the server refuses a password, or has none set: correct the URL"},
	{"ERR Client sent AUTH", "the server has no password, but the URL has one: remove it, or set one on the server"},
	{"NOPERM", "the server's ACL does not let this user work: allow it +eval +evalsha +get +set +del +time on its keys (~clerk_webhook:*, or your prefix)"},
	{"READONLY", "the server is a read-only replica: write the address of the primary, or a Sentinel URL with master_name"},
	{"MOVED", "the server is a part of a Cluster: add cluster=true to the parameters of the URL"},
	{"ASK", "the server is a part of a Cluster: add cluster=true to the parameters of the URL"},
	{"CLUSTERDOWN", "the Cluster is down: see CLUSTER INFO on a node"},
	{"ERR This instance has cluster support disabled", "the server is not a part of a Cluster: remove cluster and addr from the parameters of the URL"},
	{"OOM", "the server's memory is full: raise its maxmemory"},
	{"MISCONF", "the server cannot save its data to disk, and so takes no writes: see its log"},
	{"LOADING", "the server is still loading its data: it can be used soon"},
	{"MASTERDOWN", "the server is a replica that has lost its primary: write the address of the primary"},
	{"NOREPLICAS", "the server has fewer replicas than its min-replicas-to-write, and so takes no writes"},
	{"ERR DB index", "the server has no database of this number: correct the number at the end of the URL"},
	{"ERR max number of clients", "the server has too many clients: raise its maxclients, or lower pool_size in the URL"},
	{"WRONGTYPE", "another program uses a key of this name: give this store a prefix of its own"},
}

// explain returns an error that says what to do, and that has no password.
func (s *server) explain(ctx context.Context, err error) error {
	text := database.Hide(err.Error(), s.secrets...)
	var answer goredis.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return fmt.Errorf("redis: %w", context.Canceled)
	case strings.Contains(text, "all sentinels specified"):
		return errors.New("redis: no Sentinel in the URL can tell the primary: are the addresses those of Sentinels, and is master_name the name that they give it?")
	case errors.As(err, &answer):
		return fmt.Errorf("redis: %s", explainAnswer(answer.Error(), text))
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("redis: the server does not answer in time: is it reachable, and does it use TLS only if the URL says rediss://? %w", context.DeadlineExceeded)
	default:
		return fmt.Errorf("redis: the server cannot be reached: is it running, and is the address in the URL right? %s", text)
	}
}

func explainAnswer(answer, text string) string {
	for _, known := range advice {
		// What a script calls answers with the script's name around it.
		if strings.HasPrefix(answer+" ", known.start+" ") || strings.Contains(answer, "-"+known.start+" ") {
			return known.text
		}
	}
	return "the server answers: " + text
}
