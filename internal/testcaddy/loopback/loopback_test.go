package loopback_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyclerk/caddy-clerk-webhook/internal/testcaddy/loopback"
)

// manyAddresses is how many addresses the test binary finds in place of running tests.
const manyAddresses = "FIND_MANY_ADDRESSES"

func TestMain(m *testing.M) {
	if os.Getenv(manyAddresses) != "" {
		printMany()
		return
	}
	os.Exit(m.Run())
}

// printMany prints addresses and keeps the process until its standard input ends.
func printMany() {
	addresses, err := loopback.FreeAddresses(500)
	if err != nil {
		panic(err)
	}
	fmt.Println(strings.Join(addresses, " "))
	_, _ = os.Stdin.Read(make([]byte, 1))
}

// A port that the system also gives to outgoing connections may be gone again
// when the server that was to listen there starts.
func TestFreeAddressesStayFree(t *testing.T) {
	seen := make(map[string]bool)
	for range 20 {
		addresses, err := loopback.FreeAddresses(50)
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range addresses {
			host, text, err := net.SplitHostPort(address)
			if err != nil || host != "127.0.0.1" {
				t.Fatalf("%q is not a port on the loopback interface", address)
			}
			if port, err := strconv.Atoi(text); err != nil || port < 1024 || port >= 32_768 {
				t.Fatalf("%q can be taken by an outgoing connection", address)
			}
			if seen[address] {
				t.Fatalf("%q was found twice", address)
			}
			seen[address] = true
		}
	}
}

// Two Caddys can listen on one port at the same time, and the system then spreads the
// connections over both. Go tests several packages at once.
func TestFreeAddressesAreFoundByOneProcess(t *testing.T) {
	seen := make(map[string]bool)
	for range 8 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), manyAddresses+"=1")
		cmd.Stderr = t.Output()
		if _, err := cmd.StdinPipe(); err != nil { // it stays open until the context ends the process
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
		line, err := bufio.NewReader(stdout).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		for _, address := range strings.Fields(line) {
			if seen[address] {
				t.Errorf("%s was found by two processes", address)
			}
			seen[address] = true
		}
	}
}
