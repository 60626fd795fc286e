package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/uplink"
	"github.com/weir-ips/weir/internal/subcommand"
)

// enrollCommand gets the sensor's first certificate. What the flags leave open comes from the configuration.
func enrollCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("sensor enroll", stderr)
	path := fs.String("config", "", "configuration `file` that id, url and credentials are taken from")
	token := fs.String("token", "", "what `collector token create` printed; - reads it from standard input, so that it is in no process list")
	url := fs.String("url", "", "`url` of the collector's bus, such as tls://collector:4222 (collector.url)")
	id := fs.String("id", "", "the sensor's `name` (id)")
	out := fs.String("credentials", "", "`file` to write (collector.credentials)")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	case fs.NArg() > 0 || *token == "":
		fmt.Fprintln(stderr, "sensor enroll: give --token, and no other arguments than flags")
		return 2
	}
	cfg := config.Default()
	if *path != "" {
		loaded, err := config.Load(*path)
		if err != nil {
			return failed(stderr, "sensor enroll", err)
		}
		cfg = *loaded
	}
	secret, err := readToken(*token, os.Stdin)
	if err != nil {
		return failed(stderr, "sensor enroll", err)
	}
	to := cmp.Or(*url, cfg.Collector.URL)
	if to == "" {
		return failed(stderr, "sensor enroll", errors.New("give --url, or a configuration with collector.url"))
	}
	file := cmp.Or(*out, cfg.Collector.Credentials)
	expires, err := uplink.Enroll(ctx, to, secret, cmp.Or(*id, cfg.ID), file)
	if err != nil {
		return failed(stderr, "sensor enroll", err)
	}
	fmt.Fprintf(stdout, "sensor %s has a certificate until %s, which renews itself: %s\n", cmp.Or(*id, cfg.ID), expires.Format(time.RFC3339), file)
	return 0
}

func readToken(flag string, stdin io.Reader) (string, error) {
	if flag != "-" {
		return flag, nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 1024)).ReadString('\n')
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("read the token from standard input: %w", cmp.Or(err, errors.New("an empty line")))
	}
	return line, nil
}
