package relay

import (
	"fmt"
	"strings"
	"testing"
)

// BenchmarkWanting finds those who want a delivery among as many listeners as can
// connect, with as many matches as they can have.
func BenchmarkWanting(b *testing.B) {
	for _, kilobytes := range []int{2, 20, 250} {
		for name, path := range map[string]string{"same paths": "data.metadata.n%[2]d", "other paths": "data.metadata.n%[2]d.l%[1]d"} {
			b.Run(fmt.Sprintf("%dKB/%s", kilobytes, name), func(b *testing.B) {
				room := crowded(path)
				d := &Delivery{Body: payload(kilobytes << 10), Type: "user.created"}
				for b.Loop() {
					if wanting := room.choose().wanting(d); len(wanting) != MaxListeners {
						b.Fatalf("%d listeners want it", len(wanting))
					}
				}
			})
		}
	}
}

// crowded returns a room whose listeners match by empty values.
func crowded(path string) *Room {
	room := NewRoom()
	for n := range MaxListeners {
		l := &listener{wishes: Wishes{Match: make(map[string]string)}}
		for m := range maxMatches {
			l.wishes.Match[fmt.Sprintf(path, n, m)] = ""
		}
		room.listeners[l] = true
	}
	return room
}

func payload(size int) []byte {
	return []byte(`{"data":{"id":"user_1","filling":"` + strings.Repeat(`\n`, size/2) + `","metadata":{"a":1}},"type":"user.created"}`)
}
