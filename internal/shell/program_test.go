package shell

import "testing"

func TestStartedAs(t *testing.T) {
	const module = "example.com/m"
	t.Chdir("../..") // the folder with cmd/caddy
	for _, tt := range []struct{ name, arg0, pkg, want string }{
		{"by its name", "caddy", module + "/cmd/caddy", "caddy"},
		{"by its path", "./build/caddy", module + "/cmd/caddy", "./build/caddy"},
		{"by a path with a space", "/opt/my caddy", module + "/cmd/caddy", "'/opt/my caddy'"},
		{"by go run, in the module's folder", "/tmp/go-build1234/b001/exe/caddy", module + "/cmd/caddy", "go run ./cmd/caddy"},
		{"by go run, with a build cache of another name", "/tmp/cache/4c/4c31bc529ac65b14b581bfc3e1c8925146d38e5824addb46b73dbc026be1aa02-d/caddy", module + "/cmd/caddy", "go run ./cmd/caddy"},
		{"by go run, elsewhere", "/home/a/.cache/go-build/ab/abcd-d/caddy", module + "/cmd/other", "go run " + module + "/cmd/other"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := startedAs(tt.arg0, tt.pkg, module); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
