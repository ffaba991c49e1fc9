package redis

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/daemon"
	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

func TestWrongURLIsRefused(t *testing.T) {
	const password = "pa55word"
	for name, test := range map[string]struct{ url, want string }{
		"no scheme":                   {"localhost:6379", "redis://user:password@host:6379/0"},
		"another scheme":              {"http://:" + password + "@localhost", "rediss://"},
		"no host":                     {"redis://", "redis://user:password@host:6379/0"},
		"a slash in the password":     {"redis://:" + password + "/x@localhost:6379", "percent-encode"},
		"a number, then a slash":      {"redis://user:12/" + password + "@localhost", "database number"},
		"a number, then a query mark": {"redis://user:12?" + password + "@localhost", "parameter"},
		"a percent sign":              {"redis://:" + password + "%zz@localhost", "percent-encode"},
		"an unknown parameter":        {"redis://:" + password + "@localhost?" + password + "=1", "parameter"},
		"a database that is a name":   {"redis://localhost/" + password, "database number"},
		"cluster that is no boolean":  {"redis://localhost?cluster=" + password, "cluster=true"},
		"an address without a port":   {"redis://localhost:1?addr=" + password, "parameter"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newServer(test.url)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "55word") {
				t.Errorf("the error is %q, want it to say %q and nothing of the URL", err, test.want)
			}
		})
	}
}

// What is wrong with the server is known when it is asked. The error says what to
// do, and has no password.
func TestErrorsSayWhatToDo(t *testing.T) {
	const password = "pa55word"
	open := daemon.StartRedis(t)
	closed := daemon.StartRedis(t, "--requirepass", password)
	limited := daemon.StartRedis(t, "--user", "caddy", "on", ">"+password, "~*", "+get")
	replica := daemon.StartRedis(t, "--replicaof", strings.ReplaceAll(open.Address, ":", " "))
	full := daemon.StartRedis(t, "--maxmemory", "1")
	node := daemon.StartRedisClusterNode(t)
	gone := daemon.StartRedis(t)
	gone.Stop()
	for name, test := range map[string]struct{ url, want string }{
		"a password is missing":         {closed.URL(), "asks for a password"},
		"a password is wrong":           {"redis://:" + password + "-wrong@" + closed.Address, "refuses the user or the password"},
		"a user may not work":           {"redis://caddy:" + password + "@" + limited.Address, "+eval"},
		"the server is a replica":       {replica.URL(), "read-only replica"},
		"the server's memory is full":   {full.URL(), "maxmemory"},
		"no database of this number":    {open.URL() + "/99", "database of this number"},
		"nothing listens":               {"redis://:" + password + "@" + gone.Address, "is it running"},
		"a Cluster without its slots":   {node.URL(), "Cluster is down"},
		"a server taken for a Cluster":  {open.URL() + "?cluster=true", "not a part of a Cluster"},
		"no Sentinel at this address":   {open.URL() + "?master_name=main", "master_name"},
		"a host that cannot be found":   {"redis://:" + password + "@no-such-host.invalid", "is it running"},
		"TLS where the server has none": {"rediss://:" + password + "@" + open.Address, "rediss://"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t, test.url)
			_, _, err := s.Claim(bounded(t), stores.Key{1}, "a", lease)
			if err == nil {
				t.Fatal("the claim was granted")
			}
			if !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), password) {
				t.Errorf("the error is %q, want it to say %q and no password", err, test.want)
			}
		})
	}
}

// Redis 5 has no users.
func TestUserForAnOldServer(t *testing.T) {
	const answer = "ERR wrong number of arguments for 'auth' command"
	if text := explainAnswer(answer, answer); !strings.Contains(text, "write redis://:password@host:6379") {
		t.Errorf("the advice is %q", text)
	}
}

func TestServerOfClusterAndSentinel(t *testing.T) {
	node := daemon.StartRedisClusterNode(t)
	command(t, node.Address, "cluster", "addslotsrange", "0", "16383")
	primary := daemon.StartRedis(t)
	sentinel := daemon.StartSentinel(t, "main", primary.Address)
	for name, url := range map[string]string{
		"Cluster":                  node.URL() + "?cluster=true",
		"Cluster by two addresses": node.URL() + "?addr=" + node.Address,
		"Sentinel":                 "redis://" + sentinel + "?master_name=main",
	} {
		t.Run(name, func(t *testing.T) {
			s := newStore(t, url)
			key := stores.Key(([]byte)((name + strings.Repeat(" ", 24))[:16]))
			var err error
			for range 100 { // until the slots and the primary are known
				if _, _, err = s.Claim(bounded(t), key, "a", lease); err == nil {
					break
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			if state, _, err := s.Claim(bounded(t), key, "b", lease); state != stores.InProgress || err != nil {
				t.Errorf("another's claim gave state %d, %v", state, err)
			}
		})
	}
}

func command(t *testing.T, address string, arguments ...string) {
	t.Helper()
	_, port, _ := strings.Cut(address, ":")
	if output, err := exec.Command("redis-cli", append([]string{"-p", port}, arguments...)...).CombinedOutput(); err != nil || strings.Contains(string(output), "ERR") {
		t.Fatalf("redis-cli %v: %v: %s", arguments, err, output)
	}
}
