package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// inspectorTimeout is how long an inspector on this machine may take to answer.
	inspectorTimeout = 500 * time.Millisecond

	// maxInspectorAnswer is more than an inspector says about one delivery.
	maxInspectorAnswer = 4 << 20

	firstInspectorPort = 4040
	inspectorPorts     = 20 // from which a proxy takes the first free one
)

// finding is what an inspector says about a delivery.
type finding struct {
	url    string // of the page that shows the delivery
	reason string // why it was rejected, in a word and in words; "" if it was not
}

// inspectors finds the inspector that has recorded a delivery. It asks those ports of
// this machine on which a proxy serves one, and trusts only one that knows the delivery.
type inspectors struct {
	endpoint *url.URL // to which deliveries are sent
	ports    []int    // still to be asked
}

func newInspectors(endpoint *url.URL) *inspectors {
	i := &inspectors{endpoint: endpoint}
	if !isOnThisMachine(endpoint.Hostname()) {
		return i
	}
	for n := range inspectorPorts {
		i.ports = append(i.ports, firstInspectorPort+n)
	}
	return i
}

func isOnThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.IsLoopback()
}

// find asks for a delivery by its svix-id. Afterwards, it asks only the inspector that
// knew it, or none.
func (i *inspectors) find(id string) (f finding, found bool) {
	answers := make([]finding, len(i.ports))
	var asked sync.WaitGroup
	for n, port := range i.ports {
		asked.Go(func() { answers[n], _ = askInspector("http://localhost:"+strconv.Itoa(port), i.endpoint, id) })
	}
	asked.Wait()
	for n, answer := range answers {
		if answer.url != "" {
			i.ports = []int{i.ports[n]}
			return answer, true
		}
	}
	i.ports = nil
	return finding{}, false
}

// askInspector asks what may be an inspector. The text of a rejected delivery is in its
// headers only.
func askInspector(base string, endpoint *url.URL, id string) (finding, error) {
	var list struct {
		Entries []struct{ ID, URL, Reason string }
	}
	if err := getJSON(base+"/api/entries?limit=1&text="+url.QueryEscape(id), &list); err != nil {
		return finding{}, err
	}
	if len(list.Entries) != 1 || !samePort(list.Entries[0].URL, endpoint) {
		return finding{}, fmt.Errorf("%s does not know the delivery", base)
	}
	entry := list.Entries[0]
	f := finding{url: base + "/#open=" + url.QueryEscape(entry.ID), reason: entry.Reason}
	var details struct {
		Diagnosis struct{ Findings []struct{ Message string } }
	}
	if err := getJSON(base+"/api/entries/"+url.PathEscape(entry.ID), &details); err == nil && len(details.Diagnosis.Findings) > 0 {
		f.reason += ": " + details.Diagnosis.Findings[0].Message
	}
	return f, nil
}

func samePort(recorded string, endpoint *url.URL) bool {
	u, err := url.Parse(recorded)
	return err == nil && u.Port() == endpoint.Port() && u.Path == endpoint.Path
}

func getJSON(from string, value any) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, from, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Timeout: inspectorTimeout}).Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", from, res.Status)
	}
	return json.NewDecoder(io.LimitReader(res.Body, maxInspectorAnswer)).Decode(value)
}
