// Package lab builds real networks out of Linux network namespaces: hosts, routers, a Gateway Load Balancer and a Traffic
// Mirroring source that behave as AWS documents them, and traffic, good and bad. Demo, tests and benchmarks run in it.
//
// It needs no `ip` binary, and installs and mounts nothing but the namespaces themselves, named weir-<pid>-<lab>-<host> under
// /run/netns as `ip netns` does, so that `ip netns exec` can look into them. Lab.Close removes all; what a killed process left
// behind is removed by the next New.
package lab

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

const (
	netnsDir = "/run/netns"
	prefix   = "weir-"
)

// Lab owns namespaces and whatever was opened in them. Its methods may be called by several goroutines.
type Lab struct {
	name string

	mu         sync.Mutex
	namespaces []*Namespace
	closers    []func() error
	closed     bool
}

// New starts a lab. name tells this process's labs apart; letters and digits.
func New(name string) (*Lab, error) {
	if err := requirePrivileges(); err != nil {
		return nil, err
	}
	if err := sweep(); err != nil {
		return nil, err
	}
	return &Lab{name: name}, nil
}

// Namespace makes a network namespace with its loopback up, and called host.
func (l *Lab) Namespace(host string) (*Namespace, error) {
	name := prefix + strconv.Itoa(os.Getpid()) + "-" + l.name + "-" + host
	n, err := newNamespace(host, name)
	if err != nil {
		return nil, fmt.Errorf("lab: namespace %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.namespaces = append(l.namespaces, n)
	return n, nil
}

// OnClose has f called by Close, before the namespaces go; the last registered first.
func (l *Lab) OnClose(f func() error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closers = append(l.closers, f)
}

// Close removes everything the lab made. All of it is tried; the errors are joined. Closing twice is harmless.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	var errs []error
	for i := len(l.closers) - 1; i >= 0; i-- {
		errs = append(errs, l.closers[i]())
	}
	for _, n := range l.namespaces {
		errs = append(errs, n.close())
	}
	return errors.Join(errs...)
}

// sweep removes the namespaces of processes that are no more.
func sweep() error {
	entries, err := os.ReadDir(netnsDir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("lab: %w", err)
	}
	for _, e := range entries {
		rest, ours := strings.CutPrefix(e.Name(), prefix)
		pid, _, found := strings.Cut(rest, "-")
		n, err := strconv.Atoi(pid)
		if !ours || !found || err != nil || alive(n) {
			continue
		}
		if err := deleteNamed(e.Name()); err != nil && !errors.Is(err, unix.EBUSY) { // busy: seen by another mount namespace, for now
			return fmt.Errorf("lab: removing the namespace %s of a dead process: %w", e.Name(), err)
		}
	}
	return nil
}

// deleteNamed removes a namespace by name, or what is left of one: the file that it was mounted on.
func deleteNamed(name string) error {
	err := netns.DeleteNamed(name)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EBUSY) {
		err = os.Remove(filepath.Join(netnsDir, name))
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

func alive(pid int) bool { return unix.Kill(pid, 0) != unix.ESRCH }
