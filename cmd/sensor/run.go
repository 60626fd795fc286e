package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/daemon"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/internal/telemetry"
)

const defaultConfig = "/etc/weir/sensor.yaml"

// runCommand is the daemon.
func runCommand(ctx context.Context, args []string, _, stderr io.Writer) int {
	left, err := daemon.Inherit()
	if err != nil {
		return failed(stderr, "sensor run", err)
	}
	load := config.Load
	if left != nil && left.Refused != "" { // the file may be for the program that did not start
		load = func(path string) (*config.Config, error) { return config.Parse(path, left.Config) }
	}
	var check, kernel bool
	cfg, code := configuredBy(load, "sensor run", args, stderr, func(fs *flag.FlagSet) {
		fs.BoolVar(&check, "check", false, "check configuration and rules, and do nothing")
		fs.BoolVar(&kernel, "load", false, "with --check: load the XDP program into the kernel, attached to nothing, too")
	})
	if cfg == nil {
		return code
	}
	if check {
		if err := daemon.Check(cfg, kernel); err != nil {
			return failed(stderr, "sensor run", err)
		}
		return 0
	}
	log, err := telemetry.NewLogger(stderr, telemetry.LogOptions{})
	if err != nil {
		return failed(stderr, "sensor run", err)
	}
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	err = daemon.Run(ctx, cfg, version(), log, reload, left)
	var next *daemon.Succession
	if errors.As(err, &next) {
		err = next.Become()
	}
	if err != nil {
		return failed(stderr, "sensor run", err)
	}
	return 0
}

// detachCommand removes what a stopped sensor left at work in the kernel.
func detachCommand(_ context.Context, args []string, _, stderr io.Writer) int {
	cfg, code := configured("sensor detach", args, stderr)
	if cfg == nil {
		return code
	}
	if err := daemon.Detach(cfg); err != nil {
		return failed(stderr, "sensor detach", err)
	}
	return 0
}

// configured reads --config; nil and an exit status when there is nothing to go on with.
func configured(name string, args []string, stderr io.Writer, more ...func(*flag.FlagSet)) (*config.Config, int) {
	return configuredBy(config.Load, name, args, stderr, more...)
}

func configuredBy(load func(path string) (*config.Config, error), name string, args []string, stderr io.Writer, more ...func(*flag.FlagSet)) (*config.Config, int) {
	fs := subcommand.Flags(name, stderr)
	path := fs.String("config", defaultConfig, "configuration `file`")
	for _, add := range more {
		add(fs)
	}
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return nil, 0
		}
		return nil, 2
	}
	if fs.NArg() > 0 {
		fmt.Fprintf(stderr, "%s: unexpected argument %q\n", name, fs.Arg(0))
		return nil, 2
	}
	cfg, err := load(*path)
	if err != nil {
		return nil, failed(stderr, name, err)
	}
	return cfg, 0
}

func failed(stderr io.Writer, name string, err error) int {
	fmt.Fprintf(stderr, "%s: %v\n", name, err)
	return 1
}
