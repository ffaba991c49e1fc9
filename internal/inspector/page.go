package inspector

import (
	"embed"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// page holds all that a browser needs besides the API.
//
//go:embed page
var page embed.FS

func pageHandler() http.Handler {
	files, err := fs.Sub(page, "page")
	if err != nil {
		panic(err) // the folder is compiled in
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isRead := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !isRead || !isFile(files, r.URL.Path) {
			writeError(w, errNoPath) // the file server would remove the headers that protect sets
			return
		}
		server.ServeHTTP(w, r)
	})
}

func isFile(files fs.FS, urlPath string) bool {
	if urlPath == "/" {
		return true
	}
	info, err := fs.Stat(files, strings.TrimPrefix(urlPath, "/"))
	return err == nil && !info.IsDir()
}

// redirectToFolder sends a browser from /inspect to /inspect/, because the page has
// relative addresses. It reports whether it did. The browser knows the original
// path, and below handle_path r has another one.
func redirectToFolder(w http.ResponseWriter, r *http.Request) bool {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || r.URL.Path != "" && r.URL.Path != "/" || strings.HasSuffix(original.URL.Path, "/") || original.URL.Path == "" {
		return false
	}
	target := "./" + url.PathEscape(path.Base(original.URL.Path)) + "/"
	if original.URL.RawQuery != "" {
		target += "?" + original.URL.RawQuery
	}
	w.Header().Set("Location", target) // http.Redirect would make it absolute
	w.WriteHeader(http.StatusTemporaryRedirect)
	return true
}
