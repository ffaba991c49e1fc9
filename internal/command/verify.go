package command

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/diagnosis"
)

func newVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify (--request <file> | --delivery <file> | --body <file> --header <header>...) [--secret <secret>...]",
		Short: "Check the signature of a delivery, and say why it does not match",
		Long: `
Checks a delivery as the guard does. If it is not valid, the command looks for
the cause: it undoes the usual mistakes with bodies, headers and secrets, and
computes the signature again. A cause is proven if the signature matches after the
command has undone that mistake.

Give the delivery in one of these forms:

  --request                                a raw HTTP request
  --delivery                               a line of Clerk's CLI: 'clerk webhooks listen --json'
  --body --header                          a body and its headers
  --body --id --timestamp --signature      a body and the three values

Other headers, such as Content-Length, help to find the cause. Files are read
byte for byte. The file - is standard input.

You can give several secrets, with names: --secret production=whsec_… --secret
development=whsec_…. The answer names the secret that signed. You can also give a
malformed secret: the command looks for the mistake in it.

--other-secret and --other-request never make a delivery valid. They only help to
explain why it is not valid. --other-request is the raw request of another
attempt or delivery.

The timestamp is compared with the clock, or with --at: seconds since 1970, a
time such as 2026-03-16T09:04:05Z, or an offset from now such as -10m.

--json prints an object with the fields 'valid', 'secret', 'id', 'timestamp',
'age_seconds', 'type' and 'findings'. If the command does not find the secret that
signed, only 'valid' and 'findings' have values. Each finding has the fields 'code',
'proven' and 'message'.

Exit codes: 0 valid, 1 not valid, 2 if the command could not run (wrong flags,
unreadable input, no secret).
`,
		Example: `  $ caddy clerk-webhook verify --request delivery.http
  $ caddy clerk-webhook verify --request - --secret production=whsec_… --secret development=whsec_… < delivery.http
  $ caddy clerk-webhook verify --body body.json --header 'svix-id: msg_…' --header 'svix-timestamp: 1773651845' --header 'svix-signature: v1,…'
  $ caddy clerk-webhook verify --delivery delivery.json
  $ caddy clerk-webhook verify --body body.json --id msg_… --timestamp 1773651845 --signature v1,… --at 1773651850 --json`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			delivery, err := readDelivery(cmd)
			if err != nil {
				return usageError(cmd, err)
			}
			return printResult(cmd, diagnosis.Diagnose(delivery))
		},
	}
	addSecretFlags(cmd)
	f := cmd.Flags()
	f.String("request", "", "Raw HTTP request; - is standard input")
	f.String("delivery", "", "Delivery that Clerk's CLI prints: 'clerk webhooks listen --json'; - is standard input")
	f.String("body", "", "Body; - is standard input")
	f.StringArrayP("header", "H", nil, "Header, 'Name: value' (repeatable)")
	f.String("id", "", "Value of svix-id")
	f.String("timestamp", "", "Value of svix-timestamp")
	f.String("signature", "", "Value of svix-signature")
	f.StringArray("other-secret", nil, "Secret of another endpoint or environment, [name=]whsec_… (repeatable)")
	f.StringArray("other-request", nil, "Raw HTTP request of another attempt or delivery (repeatable)")
	f.Duration("tolerance", diagnosis.DefaultTolerance, "How far the timestamp may be from the clock, both ways")
	f.String("at", "", "When the delivery was received (default: now)")
	f.Bool("json", false, "Print the answer as JSON")
	for _, flag := range []string{"request", "delivery", "body", "other-request"} {
		_ = cmd.MarkFlagFilename(flag)
	}
	return cmd
}

func readDelivery(cmd *cobra.Command) (d diagnosis.Delivery, err error) {
	in := newInput(cmd)
	if d.Headers, d.Body, err = readMessage(cmd, in); err != nil {
		return d, err
	}
	if d.OtherAttempts, err = readOtherAttempts(cmd, in); err != nil {
		return d, err
	}
	if d.Secrets, d.OtherSecrets, err = secretsToTry(cmd, in); err != nil {
		return d, err
	}
	if d.Tolerance, err = cmd.Flags().GetDuration("tolerance"); err != nil {
		return d, err
	}
	if d.Tolerance <= 0 {
		return d, fmt.Errorf("--tolerance %s: give a duration above zero, such as 5m", d.Tolerance)
	}
	d.Received, err = receivedAt(cmd)
	return d, err
}

func readMessage(cmd *cobra.Command, in *input) (http.Header, []byte, error) {
	flag, err := messageFlag(cmd)
	if err != nil {
		return nil, nil, err
	}
	path, _ := cmd.Flags().GetString(flag)
	body, err := in.read(flag, path)
	if err != nil {
		return nil, nil, err
	}
	header := make(http.Header)
	switch flag {
	case "request":
		header, body, err = parseRequest(body)
	case "delivery":
		header, body, err = parseDelivery(body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("--%s: %w", flag, err)
	}
	return header, body, addHeaderFlags(cmd, header)
}

// messageFlag returns the flag that gives the body.
func messageFlag(cmd *cobra.Command) (string, error) {
	given := ""
	for _, flag := range []string{"request", "delivery", "body"} {
		switch {
		case !cmd.Flags().Changed(flag):
		case given != "":
			return "", fmt.Errorf("--%s has a body already: remove --%s", given, flag)
		default:
			given = flag
		}
	}
	if given == "" {
		return "", errors.New("nothing to check: give --request, --delivery, or --body with its headers")
	}
	return given, nil
}

func addHeaderFlags(cmd *cobra.Command, header http.Header) error {
	for _, line := range valuesOf(cmd, "header") {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("--header: write 'Name: value', such as 'svix-id: msg_…'")
		}
		header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	for flag, name := range map[string]string{"id": "Svix-Id", "timestamp": "Svix-Timestamp", "signature": "Svix-Signature"} {
		if value, _ := cmd.Flags().GetString(flag); value != "" {
			header[name] = []string{value}
		}
	}
	return nil
}

func readOtherAttempts(cmd *cobra.Command, in *input) ([]map[string][]string, error) {
	var attempts []map[string][]string
	for _, path := range valuesOf(cmd, "other-request") {
		raw, err := in.read("other-request", path)
		if err != nil {
			return nil, err
		}
		header, _, err := parseRequest(raw)
		if err != nil {
			return nil, fmt.Errorf("--other-request: %w", err)
		}
		attempts = append(attempts, header)
	}
	return attempts, nil
}

func secretsToTry(cmd *cobra.Command, in *input) (accepted, others []diagnosis.Secret, err error) {
	if accepted, err = requireSecrets(cmd, in); err != nil {
		return nil, nil, err
	}
	others, err = nameSecrets(valuesOf(cmd, "other-secret"), "other-")
	if err != nil {
		return nil, nil, fmt.Errorf("--other-secret: %w", err)
	}
	return accepted, others, nil
}

func receivedAt(cmd *cobra.Command) (time.Time, error) {
	at, err := cmd.Flags().GetString("at")
	if err != nil {
		return time.Time{}, err
	}
	now := time.Now()
	if at == "" {
		return now, nil
	}
	if offset, err := time.ParseDuration(at); err == nil && offset > 0 {
		return time.Time{}, fmt.Errorf("--at %s is in the future: to go back in time, write --at -%s", at, strings.TrimPrefix(at, "+"))
	}
	received, err := parseTimestamp("at", at, now)
	if minutes, isNumber := strconv.ParseUint(at, 10, 32); isNumber == nil && err == nil && received.Before(firstDelivery) {
		return time.Time{}, fmt.Errorf("--at %s means seconds since 1970: to go back %d minutes, write --at -%dm", at, minutes, minutes)
	}
	return received, err
}

// firstDelivery is earlier than any time that anybody means.
var firstDelivery = time.Date(2001, time.January, 1, 0, 0, 0, 0, time.UTC)

// verification is the answer as JSON. Its members do not change.
type verification struct {
	Valid      bool                `json:"valid"`
	Secret     string              `json:"secret"`
	ID         string              `json:"id"`
	Timestamp  int64               `json:"timestamp"`
	AgeSeconds int64               `json:"age_seconds"`
	Type       string              `json:"type"`
	Findings   []diagnosis.Finding `json:"findings"`
}

func printResult(cmd *cobra.Command, r diagnosis.Result) error {
	out := cmd.OutOrStdout()
	var err error
	if asJSON, _ := cmd.Flags().GetBool("json"); asJSON {
		err = printJSON(out, r)
	} else {
		err = printReport(out, r, cmd.Flags().Changed("at"))
	}
	if err == nil && !r.Valid {
		err = answerNo(cmd)
	}
	return err
}

func printJSON(out io.Writer, r diagnosis.Result) error {
	v := verification{Valid: r.Valid, Secret: r.Secret, ID: r.ID, Type: r.Type, Findings: r.Findings}
	if !r.Time.IsZero() {
		v.Timestamp, v.AgeSeconds = r.Time.Unix(), int64(r.Age/time.Second)
	}
	if v.Findings == nil {
		v.Findings = []diagnosis.Finding{}
	}
	return writeJSON(out, v)
}

// maxShown bounds what is shown of the values of a delivery.
const maxShown = 256

func printReport(out io.Writer, r diagnosis.Result, atIsGiven bool) error {
	colors := paletteFor(out)
	var b strings.Builder
	if r.Valid {
		fmt.Fprintln(&b, colors.good("valid"))
	} else {
		fmt.Fprintln(&b, colors.bad("not valid"))
	}
	for _, f := range r.Findings {
		certainty := "probable"
		if f.Proven {
			certainty = "proven"
		}
		fmt.Fprintf(&b, "\n%s %s\n%s\n", colors.bold(string(f.Code)), colors.dim("("+certainty+")"), f.Message)
		if f.Code == diagnosis.TimestampTooOld && !atIsGiven {
			fmt.Fprintln(&b, "If you have saved this delivery, give the time of its arrival with --at.")
		}
	}
	if r.Verified {
		printDetails(&b, r)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

func printDetails(b *strings.Builder, r diagnosis.Result) {
	fmt.Fprintf(b, "\nsecret     %s\n", r.Secret)
	fmt.Fprintf(b, "id         %s\n", printable(r.ID, maxShown))
	if !r.Time.IsZero() {
		fmt.Fprintf(b, "signed     %s (age %s)\n", r.Time.UTC().Format(time.RFC3339), r.Age.Round(time.Second))
	}
	if r.Type != "" {
		fmt.Fprintf(b, "type       %s\n", printable(r.Type, maxShown))
	}
}

// parseRequest splits a saved HTTP request into its headers and its body. The body
// is the rest of the input, byte for byte. net/http cannot read such files: they
// have LF as line ends, a missing or wrong Content-Length, "HTTP/2" in the first
// line, or no request line.
func parseRequest(raw []byte) (http.Header, []byte, error) {
	head, body, ok := cutHead(bytes.TrimLeft(raw, "\r\n"))
	if !ok {
		return nil, nil, errors.New("it has no empty line between the headers and the body")
	}
	if first, rest, _ := bytes.Cut(head, []byte("\n")); isRequestLine(string(first)) {
		head = rest
	}
	reader := textproto.NewReader(bufio.NewReader(io.MultiReader(bytes.NewReader(head), strings.NewReader("\r\n"))))
	header, err := reader.ReadMIMEHeader()
	if err != nil {
		return nil, nil, errors.New("its headers must be lines of 'Name: value'")
	}
	if strings.EqualFold(header.Get("Transfer-Encoding"), "chunked") {
		body = dechunk(body)
	}
	return http.Header(header), body, nil
}

// cutHead cuts raw at its first empty line. The head keeps its last line end.
func cutHead(raw []byte) (head, body []byte, ok bool) {
	for offset := 0; offset < len(raw); {
		end := bytes.IndexByte(raw[offset:], '\n')
		if end < 0 {
			return nil, nil, false
		}
		line := raw[offset : offset+end]
		if len(bytes.TrimSuffix(line, []byte("\r"))) == 0 {
			return raw[:offset], raw[offset+end+1:], true
		}
		offset += end + 1
	}
	return nil, nil, false
}

func isRequestLine(line string) bool {
	name, _, hasColon := strings.Cut(line, ":")
	return !hasColon || strings.ContainsAny(strings.TrimSpace(name), " \t")
}

// dechunk returns the body without its chunks. Many tools have removed them already.
func dechunk(body []byte) []byte {
	plain, err := io.ReadAll(httputil.NewChunkedReader(bytes.NewReader(body)))
	if err != nil {
		return body
	}
	return plain
}
