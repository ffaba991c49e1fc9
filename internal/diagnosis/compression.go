package diagnosis

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// maxLayers is how many times one after the other a body may have been compressed.
const maxLayers = 2

// maxWindow is the largest window of zstd that HTTP allows (RFC 9659).
const maxWindow = 8 << 20

// coding is one of the codings of Content-Encoding.
type coding struct {
	name   string
	starts func(body []byte) bool
	open   func(io.Reader) (io.ReadCloser, error)
}

// codings are those that can be undone. No module that Caddy brings reads brotli.
var codings = []coding{
	{
		"gzip",
		func(body []byte) bool { return bytes.HasPrefix(body, []byte{0x1f, 0x8b}) },
		func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) },
	},
	{
		"zstd",
		func(body []byte) bool { return bytes.HasPrefix(body, []byte{0x28, 0xb5, 0x2f, 0xfd}) },
		func(r io.Reader) (io.ReadCloser, error) {
			d, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, err
			}
			return d.IOReadCloser(), nil
		},
	},
	{"deflate", startsZlib, zlib.NewReader},
}

// rawDeflate has nothing by which it can be known. Some send it as deflate.
var rawDeflate = coding{
	name: "deflate",
	open: func(r io.Reader) (io.ReadCloser, error) { return flate.NewReader(r), nil },
}

func startsZlib(body []byte) bool {
	return len(body) > 2 && body[0]&0x0f == 8 && (int(body[0])<<8|int(body[1]))%31 == 0
}

// codingOf returns the coding in which the body is, if it can be undone.
func codingOf(body []byte, h map[string][]string) (coding, bool) {
	for _, c := range codings {
		if c.starts(body) {
			return c, true
		}
	}
	return rawDeflate, slices.Contains(contentCodings(h), "deflate")
}

// contentCodings returns what Content-Encoding says, in small letters and without
// identity.
func contentCodings(h map[string][]string) []string {
	var all []string
	for name := range strings.SplitSeq(strings.Join(h["Content-Encoding"], ","), ",") {
		name = strings.ToLower(strings.TrimSpace(name))
		if name != "" && name != "identity" {
			all = append(all, name)
		}
	}
	return all
}

// decompress returns at most maxBody bytes. The rest is not read.
func (c coding) decompress(body []byte) (plain []byte, ok bool) {
	r, err := c.open(bytes.NewReader(body))
	if err != nil {
		return nil, false
	}
	defer r.Close()
	plain, err = io.ReadAll(io.LimitReader(r, maxBody+1))
	return plain, err == nil && len(plain) <= maxBody
}

// decompressions returns what the body may have been before it was compressed.
func decompressions(body []byte, h map[string][]string) []candidate[[]byte] {
	var all []candidate[[]byte]
	how := ""
	for range maxLayers {
		c, known := codingOf(body, h)
		if !known {
			break
		}
		plain, ok := c.decompress(body)
		if !ok {
			break
		}
		body, how = plain, c.name+how
		all = append(all, candidate[[]byte]{body, []Finding{proven(BodyCompressed, "something compressed the body ("+how+") after the sender had signed it: "+dontCompress)}})
		how = ", then " + how
	}
	return all
}

const dontCompress = "do not compress requests on their way to the endpoint, or decompress them before the signature is checked"

// suspiciousCompression returns the finding about a compressed body, if nothing else
// explains the signature.
func suspiciousCompression(d Delivery) []Finding {
	c, known := codingOf(d.Body, d.Headers)
	announced := len(contentCodings(d.Headers)) > 0
	var message string
	switch {
	case known && c.starts != nil:
		message = "the body is compressed (" + c.name + "), but senders sign the uncompressed body: " + dontCompress
	case announced && isJSON(d.Body):
		message = "Content-Encoding says that the body is compressed, but it is not: something decompressed it on its way, and the sender may have signed the compressed bytes"
	case announced:
		message = "Content-Encoding says that the body is compressed, but it cannot be decompressed here: " + dontCompress
	default:
		return nil
	}
	return []Finding{{Code: BodyCompressed, Message: message}}
}
