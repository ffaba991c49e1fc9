package summary

import (
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

var (
	mismatch = Kind{zapcore.WarnLevel, "deliveries rejected", "reason", "signature_mismatch"}
	tooOld   = Kind{zapcore.WarnLevel, "deliveries rejected", "reason", "timestamp_too_old"}
)

// logged is what one summary line says.
type logged struct {
	kind   Kind
	count  int64
	latest string
}

func summaries(logs *observer.ObservedLogs) []logged {
	var all []logged
	for _, entry := range logs.TakeAll() {
		fields := entry.ContextMap()
		latest := fields["latest"].(map[string]any)
		id, _ := latest["id"].(string)
		kind := Kind{entry.Level, entry.Message, "reason", fields["reason"].(string)}
		all = append(all, logged{kind, fields["count"].(int64), id})
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

// example is an event with an id.
type example string

func (e example) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	enc.AddString("id", string(e))
	return nil
}

func release(t *testing.T, l *Log, logger *zap.Logger) {
	t.Helper()
	if err := l.Release(logger); err != nil {
		t.Fatal(err)
	}
}

func TestLogSummarizes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := Acquire("orders", logger)
		defer release(t, l, logger)

		l.Note(mismatch, example("msg_1"))
		expectSummaries(t, logs, logged{mismatch, 1, "msg_1"})

		for _, id := range []string{"msg_2", "msg_3", "msg_4"} {
			l.Note(mismatch, example(id))
			time.Sleep(10 * time.Second) // of the bubble's clock
		}
		expectSummaries(t, logs) // the minute is not over

		l.Note(tooOld, example("msg_5")) // another reason has a minute of its own
		expectSummaries(t, logs, logged{tooOld, 1, "msg_5"})

		time.Sleep(30*time.Second + time.Nanosecond)
		synctest.Wait()
		expectSummaries(t, logs, logged{mismatch, 3, "msg_4"})

		time.Sleep(59 * time.Second)
		l.Note(mismatch, example("msg_6")) // a minute is counted from line to line
		expectSummaries(t, logs)
		time.Sleep(time.Second)
		synctest.Wait()
		expectSummaries(t, logs, logged{mismatch, 1, "msg_6"})

		time.Sleep(time.Minute) // in which nothing happens
		synctest.Wait()
		expectSummaries(t, logs)
		l.Note(mismatch, example("msg_7"))
		expectSummaries(t, logs, logged{mismatch, 1, "msg_7"})
	})
}

func TestLogIsNoLouderUnderAFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := Acquire("orders", logger)
		defer release(t, l, logger)
		for range 10 * 60 {
			for range 100 {
				l.Note(tooOld, example(""))
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

func TestLogKeepsItsMinuteOverAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		oldLogger, oldLogs := observedLogger()
		newLogger, newLogs := observedLogger()
		first := Acquire("orders", oldLogger)
		first.Note(mismatch, example("msg_1"))
		expectSummaries(t, oldLogs, logged{mismatch, 1, "msg_1"})

		second := Acquire("orders", newLogger)
		release(t, first, oldLogger)
		first.Note(mismatch, example("msg_2")) // of a request that outlives its configuration
		second.Note(mismatch, example("msg_3"))
		time.Sleep(time.Minute)
		synctest.Wait()
		expectSummaries(t, oldLogs)
		expectSummaries(t, newLogs, logged{mismatch, 2, "msg_3"})
		release(t, second, newLogger)
	})
}

func TestLogOutlivesARefusedConfig(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		refusedLogger, refusedLogs := observedLogger()
		l := Acquire("orders", logger)
		release(t, Acquire("orders", refusedLogger), refusedLogger)
		l.Note(mismatch, example("msg_1"))
		expectSummaries(t, logs, logged{mismatch, 1, "msg_1"})
		expectSummaries(t, refusedLogs)
		release(t, l, logger)
	})
}

func TestLogSharesAMinuteBetweenGuardsOfOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		other, _ := observedLogger()
		a, b := Acquire("orders", logger), Acquire("orders", logger)
		c := Acquire("payments", other)
		a.Note(mismatch, example("msg_1"))
		b.Note(mismatch, example("msg_2"))
		c.Note(mismatch, example("msg_3"))
		expectSummaries(t, logs, logged{mismatch, 1, "msg_1"})
		time.Sleep(time.Minute)
		synctest.Wait()
		expectSummaries(t, logs, logged{mismatch, 1, "msg_2"})
		release(t, a, logger)
		release(t, b, logger)
		release(t, c, other)
	})
}

func TestLogEndsWithTheLastGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger, logs := observedLogger()
		l := Acquire("orders", logger)
		l.Note(mismatch, example("msg_1"))
		l.Note(mismatch, example("msg_2"))
		timer := l.pending[mismatch].timer
		logs.TakeAll()

		release(t, l, logger)
		expectSummaries(t, logs, logged{mismatch, 1, "msg_2"}) // what was still to tell
		if timer.Stop() {
			t.Error("a timer goes on after the last guard")
		}
		if _, inUse := shared.References("orders"); inUse {
			t.Error("the endpoint's log is still there")
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		expectSummaries(t, logs)
	})
}
