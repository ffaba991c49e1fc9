package signature

import (
	"encoding/base64"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type entry struct{ version, sig string }

func entriesOf(t testing.TB, list string) []entry {
	t.Helper()
	var entries []entry
	for version, sig, rest := nextSignature(list); version != ""; version, sig, rest = nextSignature(rest) {
		if len(rest) >= len(list) {
			t.Fatalf("no progress in %q", list)
		}
		list = rest
		entries = append(entries, entry{version, sig})
	}
	return entries
}

func TestSignatureList(t *testing.T) {
	tests := []struct {
		name, list string
		want       []entry
	}{
		{"empty", "", nil},
		{"one", "v1,abc=", []entry{{"v1", "abc="}}},
		{"separated by a space", "v1,abc= v1,def=", []entry{{"v1", "abc="}, {"v1", "def="}}},
		{"separated by many spaces, also at both ends", "  v1,abc=   v1,def=  ", []entry{{"v1", "abc="}, {"v1", "def="}}},
		{"folded by a comma", "v1,abc=,v1,def=", []entry{{"v1", "abc="}, {"v1", "def="}}},
		{"folded by a comma and a space", "v1,abc=, v1,def=", []entry{{"v1", "abc="}, {"v1", "def="}}},
		{"folded by a space and a comma", "v1,abc= ,v1,def=", []entry{{"v1", "abc="}, {"v1", "def="}}},
		{"two lists folded", "v1,abc= v1a,def=, v1,ghi= v2,jkl=", []entry{{"v1", "abc="}, {"v1a", "def="}, {"v1", "ghi="}, {"v2", "jkl="}}},
		{"a comma at both ends", ",v1,abc=,", []entry{{"v1", "abc="}}},
		{"versions nobody knows", "v2,abc= x,def= v1,ghi=", []entry{{"v2", "abc="}, {"x", "def="}, {"v1", "ghi="}}},
		{"a version without signature", "v1", nil},
		{"a version without signature before another entry", "v1 v1,abc=", []entry{{"v1", "abc="}}},
		{"a version without signature after another entry", "v1,abc= v1", []entry{{"v1", "abc="}}},
		{"a version with an empty signature", "v1, v1,abc=", []entry{{"v1", ""}, {"v1", "abc="}}},
		{"a version with an empty signature at the end", "v1,", []entry{{"v1", ""}}},
		{"a comma too many keeps a signature from its version", "v1,,abc=", []entry{{"v1", ""}}},
		{"a word folded in front takes the version for its signature", "word,v1,abc=", []entry{{"word", "v1"}}},
		{"separators only", " , ,, ", nil},
		{"a tab does not separate", "v1,abc=\tv1,def=", []entry{{"v1", "abc=\tv1"}}},
		{"a version is case-sensitive text", "V1,abc=", []entry{{"V1", "abc="}}},
		{"invalid UTF-8 and NUL are characters like others", "v\xff,\x00 v1,é", []entry{{"v\xff", "\x00"}, {"v1", "é"}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := entriesOf(t, tt.list); !slices.Equal(got, tt.want) {
				t.Errorf("%q read as %q, want %q", tt.list, got, tt.want)
			}
		})
	}
}

func TestSignatureListWithManyEntries(t *testing.T) {
	list := strings.Repeat("v1,a ", maxSignaturesLength/len("v1,a "))
	if got, want := len(entriesOf(t, list)), 819; got != want {
		t.Errorf("%d entries, want %d", got, want)
	}
}

// listEntry says in other words what an entry of a signature list is.
var listEntry = regexp.MustCompile(`([^ ,]+),([^ ,]*)`)

func expectedEntries(list string) []entry {
	var entries []entry
	for _, match := range listEntry.FindAllStringSubmatch(list, -1) {
		entries = append(entries, entry{match[1], match[2]})
	}
	return entries
}

// FuzzSignatureList puts genuine signatures where a list has "$" (v1) and "@"
// (v1a).
func FuzzSignatureList(f *testing.F) {
	for _, seed := range []string{
		"v1,$", "v1a,@", "v1,$ v1a,@", "v1a,@,v1,$", "v1,x, v1,$", "v1 v1,$", ",v1,$,", "v1,,$", "word,v1,$",
		"v1,$x", "v1,$=", "V1,$", "v2,$", "v1,@", "v1a,$", "v1,\xff v1,$", "v1,$\tv1,$", "v1, $", " , ,,", "",
		"v1," + wrongHMAC + " v1,$", strings.Repeat("v1a,@", 3),
		wrongEd25519List(10) + "v1a,@", wrongEd25519List(11) + "v1a,@", strings.Repeat("v1a,x ", 12) + "v1a,@",
		strings.Repeat("v1a,"+wrongEd25519+" ", 12) + "v1a,@", impossibleEd25519List(12) + "v1a,@",
	} {
		f.Add(seed)
	}
	symmetric := hmacSecret(f, "list")
	public, private := keyPair(f, "list")
	_, goodHMAC, _ := strings.Cut(signBySvix(f, symmetric.hmacKey, testID, testTime, testBody), ",")
	goodEd25519 := signEd25519(private, testID, testTimestamp, testBody)
	genuine := strings.NewReplacer("$", goodHMAC, "@", goodEd25519)

	f.Fuzz(func(t *testing.T, list string) {
		list = genuine.Replace(list)
		entries := entriesOf(t, list)
		if want := expectedEntries(list); !slices.Equal(entries, want) {
			t.Fatalf("%q read as %q, want %q", list, entries, want)
		}
		h := headersOf(list)
		if got, want := symmetric.verify(h, testBody), slices.Contains(entries, entry{"v1", goodHMAC}); got != want {
			t.Errorf("HMAC: %q verified: %v, want %v", list, got, want)
		}
		if got, want := public.verify(h, testBody), isAmongFirst(entries, 11, goodEd25519); got != want {
			t.Errorf("Ed25519: %q verified: %v, want %v", list, got, want)
		}
		if symmetric.verify(h, append(testBody, ' ')) || public.verify(h, append(testBody, ' ')) {
			t.Errorf("%q verified another body", list)
		}
	})
}

// isAmongFirst reports whether sig is one of the first n different v1a entries that
// may be a signature.
func isAmongFirst(entries []entry, n int, sig string) bool {
	form := regexp.MustCompile(`^[A-Za-z0-9+/]{85}[AQgw]==$`)
	seen := make(map[string]bool)
	for _, e := range entries {
		if e.version != "v1a" || !form.MatchString(e.sig) || !belowOrder(e.sig) || seen[e.sig] {
			continue
		}
		seen[e.sig] = true
		if e.sig == sig {
			return len(seen) <= n
		}
	}
	return false
}

// belowOrder reports whether the second half of an Ed25519 signature is a number below
// the order of the group, 2^252 + 27742317777372353535851937790883648493.
func belowOrder(sig string) bool {
	decoded, err := base64.StdEncoding.DecodeString(sig)
	if err != nil {
		return false
	}
	s := decoded[32:]
	slices.Reverse(s) // it is little-endian
	order, _ := new(big.Int).SetString("27742317777372353535851937790883648493", 10)
	order.Add(order, new(big.Int).Lsh(big.NewInt(1), 252))
	return new(big.Int).SetBytes(s).Cmp(order) < 0
}
