package backfill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/tidwall/gjson"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/event"
)

const (
	// DefaultAPI is the address of Clerk's Backend API.
	DefaultAPI = "https://api.clerk.com/v1"

	// apiVersion is the version whose objects and parameters this package knows.
	apiVersion = "2026-05-12"

	// maxPage is the most that is read of one answer.
	maxPage = 32 << 20

	apiTimeout = 30 * time.Second

	// Clerk asks for these intervals between attempts. It would go on for an hour.
	firstWait  = 500 * time.Millisecond
	longestTry = time.Minute
	waitFactor = 1.5
	apiTries   = 20

	// longestPause is the longest Retry-After that is waited for. All pauses and
	// attempts of one request together take no longer than maxPatience.
	longestPause = 10 * time.Minute
	maxPatience  = 30 * time.Minute
)

// Client asks Clerk's Backend API, with one request at a time.
type Client struct {
	base   string
	key    Key
	http   *http.Client
	notify func(string)

	mu        sync.Mutex
	firstWait time.Duration
	tries     uint
}

// NewClient returns a client for the API at this address. The address must have the
// scheme https unless its host is this machine, so that nobody on the way reads the
// key. notify gets a line whenever a request has to be repeated.
func NewClient(api string, key Key, notify func(string)) (*Client, error) {
	u, err := url.Parse(api)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("it is not a URL: write one such as %s", DefaultAPI)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("only scheme, host and path are allowed: write a URL such as %s", DefaultAPI)
	case u.Scheme == "http" && !IsLoopback(u.Hostname()):
		return nil, errors.New("the secret key must not travel unencrypted: write https://")
	}
	return &Client{
		base: strings.TrimSuffix(u.String(), "/"), key: key, notify: notify,
		firstWait: firstWait, tries: apiTries,
		http: &http.Client{
			Timeout: apiTimeout,
			// The key must not go where a redirect points.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// IsLoopback reports whether a host name of a URL is this machine.
func IsLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// get returns the answer to a request, which is valid JSON. It repeats a request that
// is answered with 429 or 5xx, or not whole.
func (c *Client) get(ctx context.Context, path string, query url.Values) (gjson.Result, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waits := backoff.NewExponentialBackOff()
	waits.InitialInterval, waits.MaxInterval, waits.Multiplier = c.firstWait, longestTry, waitFactor
	return backoff.Retry(ctx, func() (gjson.Result, error) { return c.once(ctx, path, query) },
		backoff.WithBackOff(waits), backoff.WithMaxTries(c.tries), backoff.WithMaxElapsedTime(maxPatience),
		backoff.WithNotify(func(err error, wait time.Duration) {
			c.notify(fmt.Sprintf("%v. Asking again in %s", err, wait.Round(time.Millisecond)))
		}))
}

func (c *Client) once(ctx context.Context, path string, query url.Values) (gjson.Result, error) {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, target, http.NoBody)
	if err != nil {
		return gjson.Result{}, backoff.Permanent(err)
	}
	r.Header.Set("Authorization", "Bearer "+*c.key.text)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Clerk-Api-Version", apiVersion)
	r.Header.Set("User-Agent", "caddy-clerk-webhook")
	res, err := c.http.Do(r)
	if err != nil {
		return gjson.Result{}, c.failure(ctx, path, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxPage+1))
	switch {
	case err != nil:
		return gjson.Result{}, c.failure(ctx, path, fmt.Errorf("the answer broke off: %w", err))
	case len(body) > maxPage:
		return gjson.Result{}, backoff.Permanent(fmt.Errorf("the answer of Clerk's API to %s has more than %d MiB", path, maxPage>>20))
	case res.StatusCode != http.StatusOK:
		return gjson.Result{}, c.refusal(path, res, body)
	case !event.IsValid(body):
		return gjson.Result{}, fmt.Errorf("the answer of Clerk's API to %s is not JSON", path)
	}
	return gjson.ParseBytes(body), nil
}

// failure explains why there is no whole answer.
func (c *Client) failure(ctx context.Context, path string, err error) error {
	if ctx.Err() != nil {
		return backoff.Permanent(context.Cause(ctx))
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the whole URL
	}
	var unknown *net.DNSError
	if errors.As(err, &unknown) && unknown.IsNotFound {
		return backoff.Permanent(fmt.Errorf("cannot reach Clerk's API for %s: %w. Check --api and the network", path, err))
	}
	return fmt.Errorf("no answer of Clerk's API to %s: %s", path, c.key.hide(err.Error()))
}

// APIError is an answer of Clerk's API other than 200.
type APIError struct {
	Status     int
	path       string
	code, text string
	pause      *backoff.RetryAfterError // what Retry-After asks for
}

func (e *APIError) Error() string {
	message := fmt.Sprintf("Clerk's API answers %d to %s", e.Status, e.path)
	if e.code != "" {
		message += fmt.Sprintf(" (%s: %s)", e.code, e.text)
	}
	switch {
	case e.Status == http.StatusUnauthorized:
		message += ": check the secret key. It may be revoked, or of another instance"
	case e.Status == http.StatusTooManyRequests && e.pause != nil && e.pause.Duration > longestPause:
		message += fmt.Sprintf(": it wants a pause of %s. Run the command again then", e.pause.Duration)
	case e.Status/100 == 3:
		message += ": it is a redirect. Give --api the address to which it points"
	}
	return message
}

// As makes the pause known to package backoff.
func (e *APIError) As(target any) bool {
	pause, ok := target.(**backoff.RetryAfterError)
	if !ok || e.pause == nil {
		return false
	}
	*pause = e.pause
	return true
}

// maxText is how much of the texts in an error of Clerk is shown.
const maxText = 200

func (c *Client) refusal(path string, res *http.Response, body []byte) error {
	e := &APIError{Status: res.StatusCode, path: path}
	if event.IsValid(body) {
		first := gjson.GetBytes(body, "errors.0")
		e.code, e.text = c.shown(first.Get("code").String()), c.shown(first.Get("message").String())
	}
	if e.Status != http.StatusTooManyRequests && e.Status < 500 {
		return backoff.Permanent(e)
	}
	if pause, ok := retryAfter(res.Header, time.Now()); ok {
		e.pause = &backoff.RetryAfterError{Duration: pause}
		if pause > longestPause {
			return backoff.Permanent(e)
		}
	}
	return e
}

func (c *Client) shown(text string) string {
	text = c.key.hide(text)
	return strings.Trim(strconv.QuoteToGraphic(text[:min(len(text), maxText)]), `"`)
}

// retryAfter reads the header of this name: seconds, or a date.
func retryAfter(header http.Header, now time.Time) (time.Duration, bool) {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// Instance returns the id of the instance that the key belongs to.
func (c *Client) Instance(ctx context.Context) (string, error) {
	answer, err := c.get(ctx, "/instance", nil)
	if err != nil {
		return "", err
	}
	id := answer.Get("id").Str
	if !isID(id) {
		return "", errors.New("the answer of Clerk's API does not say which instance the key belongs to: check --api")
	}
	return id, nil
}

// CountUsers returns how many users the instance has.
func (c *Client) CountUsers(ctx context.Context) (int, error) {
	answer, err := c.get(ctx, "/users/count", nil)
	if err != nil {
		return 0, err
	}
	count := answer.Get("total_count")
	if count.Type != gjson.Number || count.Int() < 0 {
		return 0, errors.New("the answer of Clerk's API does not say how many users there are: check --api")
	}
	return int(count.Int()), nil
}
