package redis

import (
	"errors"
	"net/url"
	"strconv"
	"time"

	"github.com/caddyclerk/caddy-clerk-webhook/stores/internal/database"
	goredis "github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// timeout bounds each step of a connection, unless the URL says otherwise. The
// context of a call usually ends before.
const timeout = time.Second

// servers has the connections to each URL.
var servers = database.New("redis", "REDIS_URL", "prefix", newServer)

// server has the connections to the server or servers of one URL.
type server struct {
	client  goredis.UniversalClient
	secrets []string // that must not be in an error
}

// Destruct closes the connections.
func (s *server) Destruct() error { return s.client.Close() }

// The errors of these packages would repeat parts of the URL, so of its password.
var (
	errURL = errors.New("it cannot be read: write redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path/to/socket; " +
		"in a password, percent-encode characters such as / ? # @ %")
	errParameter = errors.New("the database number or a parameter after the ? is wrong: " +
		"the number follows the port, as in redis://host:6379/0, and the parameters are those of go-redis, and cluster=true")
)

// newServer reads a URL. It does not connect.
func newServer(text string) (*server, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, errURL
	}
	if scheme := u.Scheme; scheme != "redis" && scheme != "rediss" && scheme != "unix" || scheme != "unix" && u.Host == "" {
		return nil, errURL
	}
	s := &server{secrets: secretsOf(u)}
	clients.hide(s.secrets)
	parameters := u.Query()
	isCluster, err := takeCluster(u, parameters)
	if err != nil {
		return nil, err
	}
	switch {
	case parameters.Has("master_name"):
		s.client, err = newSentinelClient(u.String())
	case isCluster || parameters.Has("addr"):
		s.client, err = newClusterClient(u.String())
	default:
		s.client, err = newClient(u.String())
	}
	if err != nil {
		return nil, errParameter
	}
	return s, nil
}

// A call must end with its context, so a client does not dial again and again. It
// asks nothing of the server that Redis 5 does not know, and needs no connections
// for pipelines.
const (
	dials   = 1
	noPipes = -1
)

func newClient(url string) (goredis.UniversalClient, error) {
	o, err := goredis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.ContextTimeoutEnabled, o.DialerRetries = true, dials
	o.DisableIdentity, o.PipelinePoolSize = true, noPipes
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return goredis.NewClient(o), nil
}

func newClusterClient(url string) (goredis.UniversalClient, error) {
	o, err := goredis.ParseClusterURL(url)
	if err != nil {
		return nil, err
	}
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.ContextTimeoutEnabled, o.DialerRetries = true, dials
	o.DisableIdentity, o.PipelinePoolSize = true, noPipes
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	return goredis.NewClusterClient(o), nil
}

func newSentinelClient(url string) (goredis.UniversalClient, error) {
	o, err := goredis.ParseFailoverURL(url)
	if err != nil {
		return nil, err
	}
	setDefaults(&o.DialTimeout, &o.ReadTimeout, &o.WriteTimeout)
	o.ContextTimeoutEnabled, o.DialerRetries = true, dials
	o.DisableIdentity, o.PipelinePoolSize = true, noPipes
	return goredis.NewFailoverClient(o), nil
}

// takeCluster reads and removes the parameter that is not go-redis's own.
func takeCluster(u *url.URL, parameters url.Values) (isCluster bool, err error) {
	if !parameters.Has("cluster") {
		return false, nil
	}
	if isCluster, err = strconv.ParseBool(parameters.Get("cluster")); err != nil {
		return false, errParameter
	}
	parameters.Del("cluster")
	u.RawQuery = parameters.Encode()
	return isCluster, nil
}

func setDefaults(durations ...*time.Duration) {
	for _, duration := range durations {
		if *duration == 0 {
			*duration = timeout
		}
	}
}

// secretsOf returns the passwords of a URL.
func secretsOf(u *url.URL) []string {
	password, _ := u.User.Password()
	return []string{password, u.Query().Get("password")}
}
