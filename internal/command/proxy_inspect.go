package command

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

const (
	inspectFlag      = "inspect"
	defaultInspector = "localhost:4040"
	withoutInspector = "off"
)

// proxyArgs takes no arguments but the address that follows --inspect: a flag
// that may stand alone gets its value by "=" only.
func proxyArgs(cmd *cobra.Command, args []string) error {
	inspect := cmd.Flags().Lookup(inspectFlag)
	if len(args) == 1 && inspect.Changed && inspect.Value.String() == defaultInspector {
		return inspect.Value.Set(args[0])
	}
	return cobra.NoArgs(cmd, args)
}

// parseInspect reads --inspect.
func (p *proxy) parseInspect(cmd *cobra.Command) error {
	address, _ := cmd.Flags().GetString(inspectFlag)
	if address == withoutInspector {
		return nil
	}
	inspector, err := parseSite(address)
	if err != nil {
		return fmt.Errorf("--inspect %s: %w", address, err)
	}
	if !inspector.local {
		return fmt.Errorf("--inspect %s is open to other machines, and the inspector shows personal data: give an address of this machine, such as %s, or mount clerk_webhook_inspector in a Caddyfile behind authentication", address, defaultInspector)
	}
	p.inspector = &inspector
	p.anyInspectorPort = !cmd.Flags().Changed(inspectFlag)
	flag, taken := p.inspectorPortTaken()
	switch {
	case !taken:
		return nil
	case p.anyInspectorPort:
		return p.nextInspectorPort()
	}
	return fmt.Errorf("--inspect %s has the port of --%s: give it another, or turn it off with --inspect=%s", address, flag, withoutInspector)
}

// inspectorPortTaken reports whether another flag has the inspector's port, and
// which. A backend that has not started yet would find it in use.
func (p *proxy) inspectorPortTaken() (flag string, taken bool) {
	switch {
	case p.inspector.port == p.listener.port:
		return "from", true
	case p.inspector.isAt(p.to):
		return "to", true
	}
	return "", false
}

// freeInspectorPort goes on to the next port while another program, such as
// ngrok or a second proxy, has the one that nobody asked for.
func (p *proxy) freeInspectorPort() error {
	const most = 20
	if p.inspector == nil {
		return nil
	}
	err := p.inspector.checkFree()
	for i := 0; p.anyInspectorPort && errors.Is(err, syscall.EADDRINUSE) && i < most; i++ {
		if err := p.nextInspectorPort(); err != nil {
			return err
		}
		err = p.inspector.checkFree()
	}
	return listenError(err, inspectFlag, "localhost:4041")
}

func (p *proxy) nextInspectorPort() error {
	for taken := true; taken; _, taken = p.inspectorPortTaken() {
		port, err := strconv.Atoi(p.inspector.port)
		if err != nil {
			return err
		}
		if *p.inspector, err = parseSite("localhost:" + strconv.Itoa(port+1)); err != nil {
			return err
		}
	}
	return nil
}
