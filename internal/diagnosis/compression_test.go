package diagnosis

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// compress returns what the writer that open returns makes of body.
func compress(t testing.TB, body string, open func(io.Writer) (io.WriteCloser, error)) string {
	t.Helper()
	var b bytes.Buffer
	w, err := open(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, body); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipWriter(w io.Writer) (io.WriteCloser, error)  { return gzip.NewWriter(w), nil }
func zlibWriter(w io.Writer) (io.WriteCloser, error)  { return zlib.NewWriter(w), nil }
func flateWriter(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, 5) }
func zstdWriter(w io.Writer) (io.WriteCloser, error)  { return zstd.NewWriter(w) }

func TestCompressedBody(t *testing.T) {
	const signed = `{"type":"user.created","data":{"id":"user_1"}}`
	gzipped := compress(t, signed, gzipWriter)
	for _, test := range []struct {
		name, encoding, body string
		want, says           string
	}{
		{"gzip", "gzip", gzipped, "body_compressed", "(gzip)"},
		{"gzip without Content-Encoding", "", gzipped, "body_compressed", "gzip"},
		{"deflate", "deflate", compress(t, signed, zlibWriter), "body_compressed", "deflate"},
		{"deflate without the frame of zlib", "Deflate", compress(t, signed, flateWriter), "body_compressed", "deflate"},
		{"zstd", "zstd", compress(t, signed, zstdWriter), "body_compressed", "zstd"},
		{"zstd in gzip", "zstd, gzip", compress(t, compress(t, signed, zstdWriter), gzipWriter), "body_compressed", "(zstd, then gzip)"},
		{"gzip in base64", "gzip", base64.StdEncoding.EncodeToString([]byte(gzipped)), "body_base64 body_compressed", "isBase64Encoded"},
		{"gzip of another spelling", "gzip", compress(t, `{"type": "user.created", "data": {"id": "user_1"}}`, gzipWriter), "body_compressed json_spacing", "gzip"},
		{"gzip of a body with a line end more", "gzip", compress(t, signed+"\n", gzipWriter), "body_compressed body_newline_added", "gzip"},
		{"gzip of something else", "gzip", compress(t, `{"type":"user.deleted"}`, gzipWriter), "body_compressed? secret_unknown?", "gzip"},
		{"gzip that ends early", "gzip", gzipped[:len(gzipped)-10], "body_compressed? secret_unknown?", "gzip"},
		{"gzip of too much", "gzip", compress(t, strings.Repeat(" ", 2<<20), gzipWriter), "body_compressed? secret_unknown?", "gzip"},
		{"brotli", "br", "\x8b\x16\x80" + signed[:20] + "\xff\x03", "body_compressed? secret_unknown?", "Content-Encoding"},
		{"Content-Encoding of a body that was decompressed", "gzip", `{"type":"user.deleted"}`, "body_compressed? secret_unknown?", "decompressed"},
		{"Content-Encoding that says nothing", "identity", `{"type":"user.deleted"}`, "secret_unknown?", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := delivered(t, signed)
			d.Body = []byte(test.body)
			if test.encoding != "" {
				d.Headers["content-encoding"] = []string{test.encoding}
			}
			r := Diagnose(d)
			if got := codes(r.Findings); r.Valid || got != test.want {
				t.Fatalf("valid %v, findings %s, want %s", r.Valid, got, test.want)
			}
			if !strings.Contains(r.Findings[0].Message, test.says) {
				t.Errorf("says %q, want it to name %q", r.Findings[0].Message, test.says)
			}
			if r.Verified && r.Type != "user.created" {
				t.Errorf("type %q", r.Type)
			}
		})
	}
}

// A few kilobytes can be compressed gigabytes. What is kept of them is bounded.
func TestDecompressionIsBounded(t *testing.T) {
	for name, d := range bombs(t) {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := Diagnose(d)
			runtime.ReadMemStats(&after)
			if got := codes(r.Findings); got != "body_compressed? secret_unknown?" {
				t.Errorf("findings %s", got)
			}
			if allocated := after.TotalAlloc - before.TotalAlloc; allocated > 64<<20 {
				t.Errorf("allocated %d bytes for a body of %d", allocated, len(d.Body))
			}
		})
	}
}

// bombs are compressed bodies of 96 MiB or more.
func bombs(t testing.TB) map[string]Delivery {
	zeros := strings.Repeat("\x00", 1<<20)
	fill := func(open func(io.Writer) (io.WriteCloser, error)) string {
		return compress(t, "", func(w io.Writer) (io.WriteCloser, error) {
			c, err := open(w)
			for i := 0; err == nil && i < 96; i++ {
				_, err = io.WriteString(c, zeros)
			}
			return c, err
		})
	}
	gzipped := fill(gzipWriter)
	// A frame of zstd with blocks of 128 KiB, of four bytes each. RFC 8878 describes it.
	block := []byte{0x02, 0x00, 0x10, 0x00} // RLE, not the last
	frame := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58}, bytes.Repeat(block, 200_000)...)
	hugeWindow := append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8}, block...)

	all := make(map[string]Delivery)
	for name, body := range map[string]string{
		"gzip":                     gzipped,
		"gzip in gzip":             compress(t, gzipped, gzipWriter),
		"deflate":                  fill(zlibWriter),
		"zstd":                     string(frame),
		"zstd with a large window": string(hugeWindow),
		"empty members of gzip":    strings.Repeat(compress(t, "", gzipWriter), 40_000),
	} {
		d := delivered(t, "something else")
		d.Body = []byte(body)
		all[name] = d
	}
	return all
}
