// Command kernels runs the data plane's tests on kernels other than this machine's: Debian's cloud kernels, each booted by qemu with an
// initramfs that holds busybox and the test programs, and this machine's own without qemu. It prints what held where, and fails when
// something did not.
//
//	kernels [-only 6.1,6.12] [-checks load,end-to-end] [-accel tcg] [-log FOLDER]
//
// It takes Debian packages alone, into a folder of its own (apt-get download), and keeps them in the user's cache folder: remove that to
// have newer ones. Software emulation is the default, since KVM in a cloud's virtual machine hangs as often as it works.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	only := flag.String("only", "", "kernels, with commas between; default all: "+strings.Join(names(matrix()), ", "))
	some := flag.String("checks", "", "checks, with commas between; default all")
	accel := flag.String("accel", "tcg", "qemu's accelerator: tcg, or kvm where that works")
	logs := flag.String("log", filepath.Join("test", "artifacts", "kernels"), "folder for the consoles' output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *only, *some, *accel, *logs); err != nil {
		fmt.Fprintln(os.Stderr, "kernels:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only, some, accel, logs string) error {
	chosen, err := choose(matrix(), only)
	if err != nil {
		return err
	}
	checks, err := chooseChecks(some)
	if err != nil {
		return err
	}
	if os.Getuid() != 0 {
		return errors.New("tests of XDP and the mode bits in an initramfs need root: run as root")
	}
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "weir-kernels-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	fmt.Println("building the test programs")
	if err := build(ctx, work); err != nil {
		return err
	}
	var table report
	for _, k := range chosen {
		fmt.Printf("%s: ", k.name)
		row := k.test(ctx, work, checks, accel, filepath.Join(logs, k.name+".log"))
		fmt.Println(row.summary())
		table = append(table, row)
	}
	fmt.Println()
	table.print(os.Stdout)
	if failed := table.failed(); len(failed) > 0 {
		return fmt.Errorf("failed on %s: the consoles' output is in %s", strings.Join(failed, ", "), logs)
	}
	return nil
}

// test runs all checks on one kernel. An error is the row's.
func (k kernel) test(ctx context.Context, work string, checks []check, accel, log string) row {
	out, err := os.Create(log)
	if err != nil {
		return row{kernel: k.name, err: err}
	}
	defer out.Close()
	r := row{kernel: k.name}
	if k.suite == "" {
		r.release, r.results, r.err = runHere(ctx, work, checks, out)
		return r
	}
	image, err := k.fetch(ctx)
	if err != nil {
		r.err = err
		return r
	}
	initrd, err := image.initramfs(ctx, work, checks)
	if err != nil {
		r.err = err
		return r
	}
	r.release = image.release
	r.results, r.err = boot(ctx, image, initrd, accel, out)
	return r
}
