// Package database is what the stores have in common that have a URL: how it is
// written, and connections that outlast a config.
package database

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/caddyclerk/caddy-clerk-webhook/stores"
)

const (
	// afterlife is how long connections stay after the config that used them. Its
	// deliveries can still be under way, and are marked when they end.
	afterlife = stores.LongestClaim + time.Minute

	// checkTimeout bounds how long the check at the start waits.
	checkTimeout = 5 * time.Second
)

// Kind is a kind of database, with its connections to each URL while any config uses
// them.
type Kind[C caddy.Destructor] struct {
	name, variable, option string
	open                   func(url string) (C, error)
	pool                   *caddy.UsagePool
}

// New returns the kind of the store with this name. Its URL is usually in the
// variable, and it has one option. open reads a URL, and does not connect.
func New[C caddy.Destructor](name, variable, option string, open func(url string) (C, error)) Kind[C] {
	return Kind[C]{name, variable, option, open, caddy.NewUsagePool()}
}

// Unmarshal reads the Caddyfile tokens of the store. Syntax:
//
//	<name> <url> {
//		<option> <value>
//	}
//
// Its errors do not repeat what they found, because that may be a password.
func (k Kind[C]) Unmarshal(d *caddyfile.Dispenser, url, value *string) error {
	d.Next() // the store's name
	if args := d.RemainingArgs(); len(args) != 1 {
		return d.Errf("%s: wrong number of arguments: write %[1]s <url>, such as %[1]s {env.%s}", k.name, k.variable)
	} else if *url = args[0]; *url == "" {
		return d.Errf("%s: the URL is empty: is the variable in {$NAME} set?", k.name)
	}
	for d.NextBlock(0) {
		name := d.Val()
		args := d.RemainingArgs()
		switch {
		case name != k.option:
			return d.Errf("%s: unrecognized option: the options of this store are %s and on_failure", k.name, k.option)
		case *value != "":
			return d.Errf("%s: %s is given twice: keep one", k.name, k.option)
		case len(args) != 1 || args[0] == "":
			return d.Errf("%s: %s: wrong number of arguments: write %[2]s <%[2]s>", k.name, k.option)
		}
		*value = args[0]
	}
	return nil
}

// Connect returns the connections to a URL, whose placeholders it replaces. Call
// release when the config ends. It keeps the connections for what is under way.
func (k Kind[C]) Connect(argument string) (connections C, release func(), err error) {
	if argument == "" {
		return connections, nil, fmt.Errorf("the store %s needs a url: write deduplicate %[1]s {env.%s}", k.name, k.variable)
	}
	url, err := readURL(argument)
	if err == nil {
		connections, err = k.acquire(url)
	}
	if err != nil {
		return connections, nil, fmt.Errorf("the url of the store %s: %w", k.name, err)
	}
	release = sync.OnceFunc(func() {
		time.AfterFunc(afterlife, func() { _, _ = k.pool.Delete(url) })
	})
	return connections, release, nil
}

func (k Kind[C]) acquire(url string) (connections C, err error) {
	value, _, err := k.pool.LoadOrNew(url, func() (caddy.Destructor, error) { return k.open(url) })
	if err != nil {
		return connections, err
	}
	return value.(C), nil
}

func readURL(argument string) (url string, err error) {
	url, err = stores.Resolve(argument)
	if err == nil && addressEndsInPassword(url) {
		err = errPassword
	}
	return url, err
}

var errPassword = errors.New("it cannot be read: percent-encode characters such as / ? # @ % in a password")

// addressEndsInPassword reports whether a password has a character that ends the server's
// address, as in scheme://user:12#word@host. What follows would be taken for something
// else, and be in the errors of the client.
func addressEndsInPassword(url string) bool {
	scheme, rest, _ := strings.Cut(url, "://")
	end := strings.IndexAny(rest, "/?#")
	return end >= 0 && strings.ContainsAny(rest[end:], "#@") && !strings.ContainsAny(scheme, "= ") // those are keywords
}

// Check tells at once what would otherwise be noticed with the first delivery. It
// does not wait for the database.
func (k Kind[C]) Check(ctx caddy.Context, ask func(context.Context) error) {
	logger := ctx.Logger()
	go func() {
		ctx, cancel := context.WithTimeout(ctx, checkTimeout)
		defer cancel()
		if err := ask(ctx); err != nil && !errors.Is(err, context.Canceled) {
			logger.Error("the store of deliveries cannot be used yet", zap.String("store", k.name), zap.Error(err))
		}
	}()
}

// Hide removes secrets, such as passwords, from a text.
func Hide(text string, secrets ...string) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	return text
}
