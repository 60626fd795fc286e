// Command demo runs the whole product in a lab of network namespaces against real attacks and tells what happens. Every
// number it prints was read from the kernel, the sensors, or the collector a moment before.
//
//	demo [--setup] [--seconds N] [--console ADDR]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/weir-ips/weir/internal/lab"
)

func main() {
	seconds := flag.Int("seconds", 0, "end after this many seconds; 0 runs until ^C")
	console := flag.String("console", "127.0.0.1:8443", "address of the console")
	setup := flag.Bool("setup", false, "mount the BPF file system if it is missing, and say so")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if *seconds > 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(*seconds)*time.Second)
		defer cancel()
	}
	if err := run(ctx, os.Stdout, *console, *setup); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer, console string, setup bool) error {
	bin, err := programs()
	if err != nil {
		return err
	}
	n := newNarrator(out)
	if setup {
		undo, err := mount(n)
		if err != nil {
			return offline(ctx, n, bin, err)
		}
		defer undo()
	}
	if err := lab.Require(); err != nil {
		return offline(ctx, n, bin, err)
	}
	return live(ctx, n, bin, console)
}

// programs is the folder this program was started from: make puts sensor and collector beside it.
func programs() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(self)
	for _, name := range []string{"sensor", "collector"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", fmt.Errorf("%s is not beside this program: run make demo, or make build first", name)
		}
	}
	return dir, nil
}

// mount brings the BPF file system where it is missing; the sensors pin their maps there.
func mount(n *narrator) (func(), error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("not root")
	}
	before := lab.Require()
	undo, err := lab.MountBPFFS()
	if err != nil {
		return nil, err
	}
	if before != nil && lab.Require() == nil {
		n.note("mounted the BPF file system on /sys/fs/bpf (it is unmounted at the end)")
	}
	return func() {
		if err := undo(); err != nil {
			n.note("%v", err)
		}
	}, nil
}
