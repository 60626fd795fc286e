package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/subcommand"
	"github.com/weir-ips/weir/internal/telemetry"
	"github.com/weir-ips/weir/web"
)

func runCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector run", stderr)
	load := configFlags(fs)
	listen := fs.String("listen", "", "`address` of console and API (api.listen)")
	busAddr := fs.String("bus", "", "`address` that sensors connect to (bus.listen)")
	insecure := fs.Bool("insecure-http", false, "plain HTTP on other addresses than loopback too (api.insecure-http)")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	if *listen != "" {
		cfg.API.Listen = *listen
	}
	if *busAddr != "" {
		cfg.Bus.Listen = *busAddr
	}
	cfg.API.InsecureHTTP = cfg.API.InsecureHTTP || *insecure
	log, err := telemetry.NewLogger(stderr, cfg.Log)
	if err != nil {
		return fail(stderr, err)
	}
	console, err := web.Handler()
	if err != nil {
		return fail(stderr, err)
	}
	url := ""
	err = collector.Run(ctx, cfg, collector.Options{
		Version: version(), Log: log, Console: console,
		Ready: func(console, bus net.Addr) {
			url = consoleURL(cfg, console.String())
			fmt.Fprintf(stdout, "console %s\nbus %s\n", url, bus)
		},
		Invite: func(path string) {
			fmt.Fprintf(stdout, "first account %s\n", strings.TrimSuffix(url, "/")+path)
		},
	})
	if err != nil {
		return fail(stderr, err)
	}
	return 0
}

// consoleURL is where the console is, when it listens on addr.
func consoleURL(cfg *collector.Config, addr string) string {
	scheme := "http"
	if cfg.API.TLS.Certificate != "" || cfg.API.TLS.OwnCA {
		scheme = "https"
	}
	return scheme + "://" + addr + "/"
}

// installed is where the package puts the configuration.
const installed = "/etc/weir/collector.yaml"

// configFlags adds --config and --data; the function they return reads the configuration. Without either it is that of the package, where
// there is one, so that a command on the collector's host finds the collector.
func configFlags(fs *flag.FlagSet) func() (*collector.Config, error) {
	path := fs.String("config", "", "`file` collector.yaml; without it and --data "+installed+" where there is one, else everything has its default")
	data := fs.String("data", "", "`directory` that everything is kept in (data)")
	return func() (*collector.Config, error) {
		file := *path
		if _, err := os.Stat(installed); file == "" && *data == "" && err == nil {
			file = installed
		}
		cfg, err := collector.LoadConfig(file)
		if err == nil && *data != "" {
			cfg.Data = *data
		}
		return cfg, err
	}
}

// parse reads flags and refuses arguments that are none; ok is false when the command is to end with code.
func parse(fs *flag.FlagSet, args []string, stderr io.Writer) (code int, ok bool) {
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0, false
	case err != nil:
		return 2, false
	case fs.NArg() > 0:
		fmt.Fprintf(stderr, "%s: unexpected argument %q\n", fs.Name(), fs.Arg(0))
		return 2, false
	}
	return 0, true
}

func fail(stderr io.Writer, err error) int {
	fmt.Fprintf(stderr, "collector: %v\n", err)
	return 1
}
