package clerkwebhook

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

// logged is what one summary line says.
type logged struct {
	reason reason
	count  int64
	latest string
}

func summaries(logs *observer.ObservedLogs) []logged {
	var all []logged
	for _, entry := range logs.TakeAll() {
		fields := entry.ContextMap()
		latest := fields["latest"].(map[string]any)
		id, _ := latest["id"].(string)
		all = append(all, logged{reason(fields["reason"].(string)), fields["count"].(int64), id})
	}
	return all
}

func expectSummaries(t *testing.T, logs *observer.ObservedLogs, want ...logged) {
	t.Helper()
	got := summaries(logs)
	if len(got) != len(want) {
		t.Fatalf("got the summaries %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("summary %d is %v, want %v", i, got[i], want[i])
		}
	}
}

func observedLogger() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.WarnLevel)
	return zap.New(core), logs
}

func exampleOf(id string) rejectionExample {
	return rejectionExample{id: id, remoteAddr: "192.0.2.1:1234", err: errors.New("it is a test")}
}

func releaseLog(t *testing.T, l *rejectionLog, endpoint string, logger *zap.Logger) {
	t.Helper()
	if err := l.release(endpoint, logger); err != nil {
		t.Fatal(err)
	}
}

func TestRejectionLogSummarizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := acquireRejectionLog("orders", logger)
		defer releaseLog(t, l, "orders", logger)

		l.note(signature.Mismatch, exampleOf("msg_1"))
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_1"})

		for _, id := range []string{"msg_2", "msg_3", "msg_4"} {
			l.note(signature.Mismatch, exampleOf(id))
			time.Sleep(10 * time.Second) // of the bubble's clock
		}
		expectSummaries(t, logs) // the minute is not over

		l.note(signature.TooOld, exampleOf("msg_5")) // another reason has a minute of its own
		expectSummaries(t, logs, logged{signature.TooOld, 1, "msg_5"})

		time.Sleep(30*time.Second + time.Nanosecond)
		synctest.Wait()
		expectSummaries(t, logs, logged{signature.Mismatch, 3, "msg_4"})

		time.Sleep(59 * time.Second)
		l.note(signature.Mismatch, exampleOf("msg_6")) // a minute is counted from line to line
		expectSummaries(t, logs)
		time.Sleep(time.Second)
		synctest.Wait()
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_6"})

		time.Sleep(time.Minute) // in which nothing happens
		synctest.Wait()
		expectSummaries(t, logs)
		l.note(signature.Mismatch, exampleOf("msg_7"))
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_7"})
	})
}

func TestRejectionLogIsNoLouderUnderAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := acquireRejectionLog("orders", logger)
		defer releaseLog(t, l, "orders", logger)
		for range 10 * 60 {
			for range 100 {
				l.note(signature.MissingHeader, exampleOf(""))
			}
			time.Sleep(time.Second)
		}
		synctest.Wait()
		lines, total := 0, int64(0)
		for _, s := range summaries(logs) {
			lines++
			total += s.count
		}
		if lines != 11 || total != 10*60*100 {
			t.Errorf("got %d lines about %d rejections in ten minutes, want 11 about 60000", lines, total)
		}
	})
}

func TestRejectionLogKeepsItsMinuteOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oldLogger, oldLogs := observedLogger()
		newLogger, newLogs := observedLogger()
		first := acquireRejectionLog("orders", oldLogger)
		first.note(signature.Mismatch, exampleOf("msg_1"))
		expectSummaries(t, oldLogs, logged{signature.Mismatch, 1, "msg_1"})

		second := acquireRejectionLog("orders", newLogger)
		releaseLog(t, first, "orders", oldLogger)
		first.note(signature.Mismatch, exampleOf("msg_2")) // of a request that outlives its configuration
		second.note(signature.Mismatch, exampleOf("msg_3"))
		time.Sleep(time.Minute)
		synctest.Wait()
		expectSummaries(t, oldLogs)
		expectSummaries(t, newLogs, logged{signature.Mismatch, 2, "msg_3"})
		releaseLog(t, second, "orders", newLogger)
	})
}

func TestRejectionLogOutlivesARefusedConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		refusedLogger, refusedLogs := observedLogger()
		l := acquireRejectionLog("orders", logger)
		releaseLog(t, acquireRejectionLog("orders", refusedLogger), "orders", refusedLogger)
		l.note(signature.Mismatch, exampleOf("msg_1"))
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_1"})
		expectSummaries(t, refusedLogs)
		releaseLog(t, l, "orders", logger)
	})
}

func TestRejectionLogSharesAMinuteBetweenGuardsOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		other, _ := observedLogger()
		a, b := acquireRejectionLog("orders", logger), acquireRejectionLog("orders", logger)
		c := acquireRejectionLog("payments", other)
		a.note(signature.Mismatch, exampleOf("msg_1"))
		b.note(signature.Mismatch, exampleOf("msg_2"))
		c.note(signature.Mismatch, exampleOf("msg_3"))
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_1"})
		time.Sleep(time.Minute)
		synctest.Wait()
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_2"})
		releaseLog(t, a, "orders", logger)
		releaseLog(t, b, "orders", logger)
		releaseLog(t, c, "payments", other)
	})
}

func TestRejectionLogEndsWithTheLastGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := acquireRejectionLog("orders", logger)
		l.note(signature.Mismatch, exampleOf("msg_1"))
		l.note(signature.Mismatch, exampleOf("msg_2"))
		timer := l.pending[signature.Mismatch].timer
		logs.TakeAll()

		releaseLog(t, l, "orders", logger)
		expectSummaries(t, logs, logged{signature.Mismatch, 1, "msg_2"}) // what was still to tell
		if timer.Stop() {
			t.Error("a timer goes on after the last guard")
		}
		if _, inUse := rejectionLogs.References("orders"); inUse {
			t.Error("the endpoint's log is still there")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		expectSummaries(t, logs)
	})
}

// announced is a body of which nothing comes before it ends.
type announced struct{ awaited, ended chan struct{} }

func (a announced) Read([]byte) (int, error) {
	close(a.awaited)
	<-a.ended
	return 0, io.ErrUnexpectedEOF
}

func TestRequestIsRejectedAfterItsConfigHasEnded(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	defer cancel()
	h := &Handler{Name: "ended", Secret: []Secret{{Value: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}
	if err := h.Provision(ctx); err != nil {
		t.Fatal(err)
	}

	body := announced{make(chan struct{}), make(chan struct{})}
	r := httptest.NewRequest(http.MethodPost, "/", body)
	r = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, make(map[string]any)))
	r.Header.Set("Svix-Id", "msg_1")
	r.Header.Set("Svix-Timestamp", strconv.FormatInt(h.now().Unix(), 10))
	r.Header.Set("Svix-Signature", "v1,AAAA")
	result := make(chan error)
	go func() {
		result <- h.ServeHTTP(httptest.NewRecorder(), r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil }))
	}()
	<-body.awaited
	if err := h.Cleanup(); err != nil {
		t.Fatal(err)
	}
	close(body.ended)
	var refused caddyhttp.HandlerError
	if err := <-result; !errors.As(err, &refused) || refused.StatusCode != http.StatusBadRequest {
		t.Errorf("got %v, want a 400", err)
	}
}
