package command

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// deliveryLine is a line that 'clerk webhooks listen --json' writes for a delivery. A
// header has one value, or a list of them.
type deliveryLine struct {
	Headers map[string]json.RawMessage `json:"headers"`
	Body    *string                    `json:"body_b64"`
}

// parseDelivery reads the one delivery in lines of JSON. Other lines of that command
// have no body.
func parseDelivery(lines []byte) (http.Header, []byte, error) {
	var found *deliveryLine
	for decoder := json.NewDecoder(bytes.NewReader(lines)); ; {
		var line deliveryLine
		err := decoder.Decode(&line)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, nil, errors.New("it is not a line of 'clerk webhooks listen --json', which is an object with headers and body_b64")
		}
		if line.Body == nil {
			continue
		}
		if found != nil {
			return nil, nil, errors.New("it has more than one delivery: give one line, such as that of 'tail -n 1'")
		}
		found = &line
	}
	if found == nil {
		return nil, nil, errors.New("it has no delivery, which is an object with headers and body_b64")
	}
	body, err := base64.StdEncoding.DecodeString(*found.Body)
	if err != nil {
		return nil, nil, errors.New("body_b64 is not base64")
	}
	header := make(http.Header)
	for name, raw := range found.Headers {
		values, err := headerValues(raw)
		if err != nil {
			return nil, nil, fmt.Errorf("headers: %q has neither text nor a list of text", name)
		}
		for _, value := range values {
			header.Add(name, value)
		}
	}
	return header, body, nil
}

func headerValues(raw json.RawMessage) ([]string, error) {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil {
		return []string{one}, nil
	}
	var several []string
	err := json.Unmarshal(raw, &several)
	return several, err
}
