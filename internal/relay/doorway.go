package relay

import (
	"net/netip"
	"slices"
	"sync"
	"time"
)

// maxWaiting bounds the connections that have shown no token. A listener gets in
// unless so many others connect between its handshake and its token.
const maxWaiting = 1000

// Doorway is where connections wait until they have shown their token. If there are
// too many, one of the network that has most of them has to go, so that no network
// keeps listeners of others out. It is the oldest, because a listener shows its token
// at once.
type Doorway struct {
	mu      sync.Mutex
	waiting []*visitor // the oldest first
	count   map[netip.Prefix]int
}

// visitor is a connection that waits.
type visitor struct {
	network netip.Prefix
	conn    ender
}

type ender interface{ endAfter(d time.Duration) }

// enter lets a connection from the address who wait. If it has to go before leave is
// called, it is ended.
func (d *Doorway) enter(who string, conn ender) (leave func()) {
	v := &visitor{networkOf(who), conn}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.count == nil {
		d.count = make(map[netip.Prefix]int)
	}
	d.waiting = append(d.waiting, v)
	d.count[v.network]++
	if len(d.waiting) > maxWaiting {
		next := d.next()
		next.conn.endAfter(0)
		d.remove(next)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.remove(v)
	}
}

// next returns who has to go.
func (d *Doorway) next() *visitor {
	most := 0
	for _, count := range d.count {
		most = max(most, count)
	}
	return d.waiting[slices.IndexFunc(d.waiting, func(v *visitor) bool { return d.count[v.network] == most })]
}

func (d *Doorway) remove(v *visitor) {
	i := slices.Index(d.waiting, v)
	if i < 0 { // it had to go before
		return
	}
	d.waiting = slices.Delete(d.waiting, i, i+1)
	if d.count[v.network]--; d.count[v.network] == 0 {
		delete(d.count, v.network)
	}
}

// networkOf returns the addresses that one stranger can have: an IPv4 address, or a
// /64 of IPv6.
func networkOf(who string) netip.Prefix {
	address, err := netip.ParseAddr(who)
	if err != nil {
		return netip.Prefix{}
	}
	address = address.Unmap()
	prefix, _ := address.Prefix(min(address.BitLen(), 64)) // no error for these lengths
	return prefix
}
