//go:build linux

package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"github.com/caddyclerk/caddy-clerk-webhook/bench/internal/rig"
)

//go:embed nginx/nginx.conf
var nginxConfig string

var nginxTemplate = template.Must(template.New("nginx.conf").Parse(nginxConfig))

// nginxFiles is where nginx, its modules and its libraries are.
type nginxFiles struct {
	program   string
	modules   string
	libraries []string
	lua       string
}

// findNginx looks for each part in folder first, then where Debian installs it.
func findNginx(folder string) (files nginxFiles, err error) {
	find := func(path string) string {
		for _, root := range []string{folder, "/"} {
			if found, _ := filepath.Glob(filepath.Join(root, path)); len(found) > 0 {
				return found[0]
			}
		}
		err = fmt.Errorf("there is no %s, neither in %s nor installed", path, folder)
		return ""
	}
	files.program = find("usr/sbin/nginx")
	files.modules = filepath.Dir(find("usr/lib/nginx/modules/ngx_http_lua_module.so"))
	files.lua = filepath.Join(filepath.Dir(filepath.Dir(find("usr/share/lua/5.1/resty/core.lua"))), "?.lua")
	for _, path := range []string{"lib/*-linux-gnu", "usr/lib/*-linux-gnu"} {
		found, _ := filepath.Glob(filepath.Join(folder, path))
		files.libraries = append(files.libraries, found...)
	}
	return files, err
}

// nginxSite is a server that forwards to one backend.
type nginxSite struct{ Address, Backend string }

// nginxData fills the template of the configuration.
type nginxData struct {
	Guard, Root  bool
	Dir, LuaPath string
	Workers      int
	Sites        []nginxSite
	modules      string
}

// Module returns the path of a module's library.
func (d nginxData) Module(name string) string { return filepath.Join(d.modules, name+".so") }

// startNginx starts an nginx with a site for each backend.
func (t *testbed) startNginx(name string, refusal int) error {
	addresses, err := t.newAddresses()
	if err != nil {
		return err
	}
	data := nginxData{
		Guard:   name == nginxLua,
		Root:    os.Geteuid() == 0,
		Dir:     filepath.Join(t.dir, strings.ReplaceAll(name, " ", "-")),
		Workers: len(t.placed.servers),
		modules: t.nginx.modules,
	}
	source, err := filepath.Abs("bench/peers/nginx")
	if err != nil {
		return err
	}
	data.LuaPath = filepath.Join(source, "?.lua") + ";" + t.nginx.lua + ";;"
	for _, b := range backends {
		data.Sites = append(data.Sites, nginxSite{addresses[b], t.upstream[b]})
	}
	if err := os.Mkdir(data.Dir, 0o700); err != nil {
		return err
	}
	file := filepath.Join(data.Dir, "nginx.conf")
	var config strings.Builder
	if err := nginxTemplate.Execute(&config, data); err != nil {
		return err
	}
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		return err
	}
	command := on(t.placed.servers, t.nginx.program, "-e", "stderr", "-p", data.Dir, "-c", file)
	command.Env = append(os.Environ(),
		"LD_LIBRARY_PATH="+strings.Join(t.nginx.libraries, ":"), "CLERK_WEBHOOK_SIGNING_SECRET="+rig.Secret)
	process, _, err := rig.Start(command, "start worker process ")
	if err != nil {
		return err
	}
	t.subjects = append(t.subjects, subject{name, process, addresses, refusal})
	return nil
}
