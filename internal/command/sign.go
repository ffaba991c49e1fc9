package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/shell"
	"github.com/caddyclerk/caddy-clerk-webhook/internal/signature"
)

func newSignCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sign --data <file|json> [--secret <secret>...] [--curl <url>]",
		Short: "Sign a body: print its headers, or a curl command that sends it",
		Long: `
Signs a body with Svix's library and prints the three headers of a delivery.
With --curl it prints a command for POSIX shells that sends the headers and the
body.

The command signs the exact bytes. If a file ends with a line break, the line
break is signed, too. Guards accept a signature for five minutes.

--timestamp takes seconds since 1970, a time such as 2026-03-16T09:04:05Z, or an
offset from now such as -10m. With several secrets, each of them signs.

Exit codes: 0, or 2 if the command could not run (wrong flags, unreadable input,
no secret).
`,
		Example: `  $ caddy clerk-webhook sign --data '{"type":"user.created","data":{"id":"user_1"}}'
  $ caddy clerk-webhook sign --data body.json --json
  $ caddy clerk-webhook sign --data body.json --curl http://localhost:8080/api/webhooks | sh`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := sign(cmd)
			if err != nil {
				return usageError(cmd, err)
			}
			_, err = io.WriteString(cmd.OutOrStdout(), text)
			return err
		},
	}
	addSecretFlags(cmd)
	f := cmd.Flags()
	f.StringP("data", "d", "", "Body: a file, a JSON object, or - for standard input")
	f.String("id", "", "svix-id (default: a new one)")
	f.String("timestamp", "", "svix-timestamp (default: now)")
	f.String("curl", "", "Print a curl command that sends to this URL")
	f.Bool("json", false, "Print the headers as a JSON object")
	return cmd
}

func sign(cmd *cobra.Command) (string, error) {
	f := cmd.Flags()
	url, _ := f.GetString("curl")
	asJSON, _ := f.GetBool("json")
	if url != "" && asJSON {
		return "", errors.New("give --curl or --json, not both")
	}
	in := newInput(cmd)
	data, _ := f.GetString("data")
	body, err := bodyToSign(in, data)
	if err != nil {
		return "", err
	}
	signer, err := newSigner(cmd, in)
	if err != nil {
		return "", err
	}
	target := defaultEndpoint
	if url != "" {
		endpoint, err := parseEndpoint(url)
		if err != nil {
			return "", fmt.Errorf("--curl: %w", err)
		}
		target = endpoint.String()
	}
	r, err := signer.request(cmd.Context(), target, signer.nextID(), body)
	if err != nil {
		return "", err
	}
	headers, err := signedHeaders(r)
	if err != nil {
		return "", err
	}
	switch {
	case url != "":
		return curlCommand(target, headers, data, body)
	case asJSON:
		return headersAsJSON(headers)
	}
	var b strings.Builder
	for _, h := range headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String(), nil
}

func bodyToSign(in *input, data string) ([]byte, error) {
	switch {
	case data == "":
		return nil, errors.New("nothing to sign: give a body with --data")
	case isInline(data):
		return []byte(data), nil
	}
	return in.read("data", data)
}

func isInline(data string) bool { return strings.HasPrefix(strings.TrimSpace(data), "{") }

func signedHeaders(r *http.Request) ([]shell.Header, error) {
	var lines []shell.Header
	canonical := make(http.Header)
	for _, name := range []string{"svix-id", "svix-timestamp", "svix-signature"} {
		value := r.Header[name][0]
		lines = append(lines, shell.Header{Name: name, Value: value})
		canonical.Set(name, value)
	}
	if _, err := signature.ParseHeaders(canonical); err != nil {
		return nil, err
	}
	return lines, nil
}

func headersAsJSON(headers []shell.Header) (string, error) {
	object := make(map[string]string)
	for _, h := range headers {
		object[h.Name] = h.Value
	}
	text, err := json.Marshal(object)
	return string(text) + "\n", err
}

// maxInlineBody is a size that fits into one argument of a command everywhere.
const maxInlineBody = 100 << 10

func curlCommand(url string, headers []shell.Header, data string, body []byte) (string, error) {
	c := shell.Curl{Silent: true, Method: http.MethodPost, URL: url, Body: body}
	c.Headers = append(slices.Clone(headers), shell.Header{Name: "content-type", Value: "application/json"})
	switch isFile := data != "-" && !isInline(data); {
	case isFile:
		c.File = data
	case len(body) > maxInlineBody || bytes.ContainsRune(body, 0):
		return "", errors.New("the body cannot be part of a command, because it is too large or has a zero byte: save it, and give its file with --data")
	}
	return c.String(), nil
}
