// Package clock sets the clock of a process that imports it to a wrong time: it
// shifts time.Now by the duration in the environment variable CLOCK_OFFSET. Go asks
// the kernel for the time, so that libfaketime cannot do this.
package clock

import (
	"os"
	"time"
	_ "unsafe" // for go:linkname

	"github.com/agiledragon/gomonkey/v2"
)

// Variable has the offset, such as -20m.
const Variable = "CLOCK_OFFSET"

var offset time.Duration

func init() {
	var err error
	if offset, err = time.ParseDuration(os.Getenv(Variable)); err == nil && offset != 0 {
		gomonkey.ApplyFunc(time.Now, wrongTime)
	}
}

// wrongTime is no closure, because nothing would keep a closure from being
// collected. The runtime calls it on its own stack too, so it makes no system call.
func wrongTime() time.Time {
	seconds, nanoseconds, _ := now()
	return time.Unix(seconds, int64(nanoseconds)).Add(offset)
}

//go:linkname now time.now
func now() (seconds int64, nanoseconds int32, monotonic int64)
