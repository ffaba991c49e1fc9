//go:build linux

package main

import (
	"strings"
	"testing"
)

func TestNginxVerifiesOnlyWhereItIsAsked(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		var config strings.Builder
		err := nginxTemplate.Execute(&config, nginxData{
			Guard: guarded, Dir: "/tmp/x", LuaPath: "/lua/?.lua", Workers: 3, modules: "/modules",
			Sites: []nginxSite{{"127.0.0.1:1", "127.0.0.1:2"}, {"127.0.0.1:3", "127.0.0.1:4"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		text := config.String()
		if strings.Contains(text, "/modules/ngx_http_lua_module.so") != guarded || strings.Count(text, "access_by_lua_block") != map[bool]int{true: 2}[guarded] {
			t.Errorf("guarded %v:\n%s", guarded, text)
		}
		for _, want := range []string{"worker_processes 3;", "listen 127.0.0.1:3 ", "server 127.0.0.1:4;"} {
			if !strings.Contains(text, want) {
				t.Errorf("guarded %v: %q is missing", guarded, want)
			}
		}
	}
}
