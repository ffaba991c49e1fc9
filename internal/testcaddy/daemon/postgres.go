//go:build unix

package daemon

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
)

// Postgres is a PostgreSQL server with the database and superuser "postgres".
type Postgres struct {
	process
	bin string
	dir string
}

// PostgresPassword is the password of the superuser.
const PostgresPassword = "superusers-password"

// StartPostgres starts a server with more options, such as "-c",
// "max_connections=5". It ends with the test.
func StartPostgres(t testing.TB, options ...string) *Postgres {
	t.Helper()
	// SIGQUIT is its immediate shutdown. After a SIGKILL it cannot be started again
	// until all of its processes have noticed.
	p := &Postgres{process: process{Address: freeAddress(t), kill: syscall.SIGQUIT}, bin: postgresBinaries(t)}
	// The directories of t.TempDir are closed to the user who runs the server.
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	p.dir = dir
	passwords := filepath.Join(dir, "password")
	if err := os.WriteFile(passwords, []byte(PostgresPassword), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := postgresOwner(t, dir, passwords)
	data := filepath.Join(dir, "data")
	initialize := exec.Command(filepath.Join(p.bin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", passwords, "--no-sync")
	initialize.SysProcAttr = owner
	initialize.Dir = dir
	if output, err := initialize.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, output)
	}
	p.command = func() *exec.Cmd {
		always := []string{"-D", data, "-p", p.port(), "-k", dir, "-c", "listen_addresses=127.0.0.1"}
		cmd := exec.Command(filepath.Join(p.bin, "postgres"), append(always, options...)...)
		cmd.SysProcAttr = owner
		cmd.Dir = dir
		return cmd
	}
	p.isReady = func() error {
		return exec.Command(filepath.Join(p.bin, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", p.port()).Run()
	}
	p.Start(t)
	t.Cleanup(p.Stop)
	return p
}

// URL is the URL with which the superuser connects.
func (p *Postgres) URL() string {
	return "postgres://postgres:" + PostgresPassword + "@" + p.Address + "/postgres"
}

// postgresBinaries returns the folder with the binaries of the newest version.
func postgresBinaries(t testing.TB) string {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	if len(found) == 0 {
		t.Fatal("there is no PostgreSQL: install Debian's package postgresql")
	}
	slices.Sort(found)
	return found[len(found)-1]
}

// postgresOwner gives the paths to the user postgres if the test runs as root,
// because the server refuses to.
func postgresOwner(t testing.TB, paths ...string) *syscall.SysProcAttr {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	owner, err := user.Lookup("postgres")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(owner.Uid)
	gid, _ := strconv.Atoi(owner.Gid)
	for _, path := range paths {
		if err := os.Chown(path, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}
