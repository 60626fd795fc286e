package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is one host of a lab.
type Namespace struct {
	Host string // as the lab calls it: attacker
	Name string // as the system does: weir-4711-demo-attacker, under /run/netns

	ns netns.NsHandle
	nl *netlink.Handle
}

func newNamespace(host, name string) (*Namespace, error) {
	n := &Namespace{Host: host, Name: name, ns: netns.None()}
	err := onThread(func() (err error) {
		n.ns, err = netns.NewNamed(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := n.setUp(); err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// onThread runs fn on a thread of its own that ends with it: whatever fn does to the thread's namespace harms nobody.
func onThread(fn func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // never unlocked: the runtime then ends the thread with the goroutine
		done <- fn()
	}()
	return <-done
}

func (n *Namespace) setUp() (err error) {
	if n.nl, err = netlink.NewHandleAt(n.ns, unix.NETLINK_ROUTE); err != nil {
		return err
	}
	lo, err := n.nl.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := n.nl.LinkSetUp(lo); err != nil {
		return err
	}
	// A lab's routes may be asymmetric, and its spoofed sources are meant to arrive.
	for key, value := range map[string]string{
		"net/ipv4/conf/all/rp_filter":            "0",
		"net/ipv4/conf/default/rp_filter":        "0",
		"net/ipv4/conf/all/send_redirects":       "0",
		"net/ipv4/conf/default/send_redirects":   "0",
		"net/ipv4/conf/all/accept_redirects":     "0",
		"net/ipv6/conf/default/accept_ra":        "0",
		"net/ipv6/conf/default/accept_redirects": "0",
		"net/ipv6/conf/default/accept_dad":       "0",
	} {
		if err := n.Sysctl(key, value); err != nil {
			return err
		}
	}
	return nil
}

func (n *Namespace) close() error {
	if n.nl != nil {
		n.nl.Close()
	}
	if n.ns.IsOpen() {
		n.ns.Close()
	}
	if err := deleteNamed(n.Name); err != nil && !errors.Is(err, unix.EBUSY) { // busy: seen by another mount namespace; swept later
		return fmt.Errorf("lab: removing the namespace %s: %w", n.Name, err)
	}
	return nil
}

// Path is the namespace's file, for nsenter --net=PATH.
func (n *Namespace) Path() string { return filepath.Join(netnsDir, n.Name) }

// Run calls fn on a thread inside the namespace. Sockets fn opens stay in the namespace; goroutines it starts do not.
func (n *Namespace) Run(fn func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.ns); err != nil {
			return fmt.Errorf("lab: entering %s: %w", n.Name, err)
		}
		return fn()
	})
}

// Start starts cmd inside the namespace. SysProcAttr.Pdeathsig must not be set: it would strike at once, when the thread that started
// cmd ends.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Run(cmd.Start) }

// Sysctl sets a kernel parameter of the namespace: net/ipv4/ip_forward.
func (n *Namespace) Sysctl(key, value string) error {
	err := n.Run(func() error { return os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0) })
	if err != nil {
		return fmt.Errorf("lab: %s: %w", n.Name, err)
	}
	return nil
}

// Dial connects from inside the namespace. The address must be numeric: names are resolved on other threads.
func (n *Namespace) Dial(ctx context.Context, network, address string) (conn net.Conn, err error) {
	err = n.Run(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, network, address)
		return err
	})
	return conn, err
}

// Listen listens inside the namespace at a numeric address.
func (n *Namespace) Listen(network, address string) (l net.Listener, err error) {
	err = n.Run(func() (err error) {
		l, err = net.Listen(network, address)
		return err
	})
	return l, err
}

// ListenPacket opens a packet socket (udp4, ip4:icmp) inside the namespace at a numeric address.
func (n *Namespace) ListenPacket(network, address string) (c net.PacketConn, err error) {
	err = n.Run(func() (err error) {
		c, err = net.ListenPacket(network, address)
		return err
	})
	return c, err
}
