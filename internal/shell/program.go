package shell

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strings"
	"sync"
)

// Program returns how this program was started: its name, its path, or "go run"
// and its package. It is written for a POSIX shell.
var Program = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return Word(os.Args[0])
	}
	return startedAs(os.Args[0], info.Path, info.Main.Path)
})

// goFolders match the folders in which "go run" builds: a temporary folder, or the
// build cache under its usual name.
var goFolders = regexp.MustCompile(`/go-build|/[0-9a-f]{2}/[0-9a-f]{64}-d/[^/]+$`)

// startedAs says "go run" for a program in one of those folders.
func startedAs(arg0, pkg, module string) string {
	if !goFolders.MatchString(filepath.ToSlash(arg0)) {
		return Word(arg0)
	}
	if inModule, ok := strings.CutPrefix(pkg, module+"/"); ok {
		if _, err := os.Stat(inModule); err == nil {
			return "go run ./" + inModule
		}
	}
	return "go run " + pkg
}
