//go:build linux

package main

import (
	"slices"
	"testing"
)

func TestProcessorsAreRead(t *testing.T) {
	for list, want := range map[string][]int{
		"0-1":     {0, 1},
		"3":       {3},
		"0-2,5,7": {0, 1, 2, 5, 7},
	} {
		got, err := parseProcessors("Name:\tx\nCpus_allowed_list:\t" + list + "\nMems_allowed:\t1\n")
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %v, %v, want %v", list, got, err, want)
		}
	}
	for _, broken := range []string{"Name:\tx\n", "Name:\tx\nCpus_allowed_list:\ta-b\n"} {
		if _, err := parseProcessors(broken); err == nil {
			t.Errorf("%q is no error", broken)
		}
	}
}

func TestProcessorsAreDivided(t *testing.T) {
	for name, tt := range map[string]struct {
		all     []int
		wanted  int
		servers []int
		senders []int
	}{
		"by halves":                  {[]int{0, 1, 2, 3}, 0, []int{0, 1}, []int{2, 3}},
		"the odd one to the senders": {[]int{0, 1, 2}, 0, []int{0}, []int{1, 2}},
		"as wanted":                  {[]int{0, 1, 2, 3}, 3, []int{0, 1, 2}, []int{3}},
		"shared if all are wanted":   {[]int{0, 1}, 2, []int{0, 1}, []int{0, 1}},
		"shared if there is but one": {[]int{5}, 0, []int{5}, []int{5}},
		"no more than there are":     {[]int{0, 1}, 9, []int{0, 1}, []int{0, 1}},
	} {
		got := divide(tt.all, tt.wanted)
		if !slices.Equal(got.servers, tt.servers) || !slices.Equal(got.senders, tt.senders) {
			t.Errorf("%s: got %v", name, got)
		}
	}
}
