package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/subcommand"
)

func sensorCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector sensor", []subcommand.Command{
		{Name: "add", Summary: "register a sensor and write its credentials", Run: sensorAdd},
		{Name: "list", Summary: "list the sensors that have credentials", Run: sensorList},
		{Name: "remove", Summary: "take a sensor's credentials away and disconnect it", Run: sensorRemove},
	}, args, stdout, stderr)
}

// sensorAdd is `collector sensor add ID`. The credentials are printed or, with --out, written to a new file of mode 0600.
func sensorAdd(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector sensor add ID", stderr)
	load := configFlags(fs)
	out := fs.String("out", "", "new `file` to write instead of standard output; it becomes the sensor's collector.credentials")
	var pair collector.TLS
	fs.StringVar(&pair.Certificate, "certificate", "", "PEM `file` of the sensor's certificate, where bus.tls.client-ca asks for one")
	fs.StringVar(&pair.Key, "key", "", "PEM `file` of the certificate's key")
	id, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	register := func() ([]byte, error) { return credentials(cfg, id, pair) }
	if err := writeCredentials(register, *out, stdout); err != nil {
		return fail(stderr, err)
	}
	return 0
}

func writeCredentials(register func() ([]byte, error), path string, stdout io.Writer) error {
	to := stdout
	if path != "" { // made before the sensor is registered: a key that cannot be written down is of no use
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("credentials: %w", err)
		}
		defer f.Close()
		to = f
	}
	data, err := register()
	if err == nil {
		_, err = to.Write(data)
	}
	if err != nil && path != "" {
		os.Remove(path)
	}
	return err
}

func credentials(cfg *collector.Config, id string, pair collector.TLS) ([]byte, error) {
	creds, err := collector.AddSensor(cfg, id, pair)
	if err != nil {
		return nil, err
	}
	return creds.Encode()
}

func sensorList(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector sensor list", stderr)
	load := configFlags(fs)
	asJSON := fs.Bool("json", false, "print a JSON array")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	regs, err := collector.Registrations(cfg)
	if err != nil {
		return fail(stderr, err)
	}
	_, enrolled, err := collector.OpenEnrolment(cfg)
	if err != nil {
		return fail(stderr, err)
	}
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(map[string]any{"keys": regs.List(), "certificates": enrolled.Sensors()}); err != nil {
			return fail(stderr, err)
		}
		return 0
	}
	for _, r := range regs.List() {
		fmt.Fprintf(stdout, "%-24s key %s, added %s\n", r.Sensor, r.Key, r.Added.Format(time.RFC3339))
	}
	for _, s := range enrolled.Sensors() {
		fmt.Fprintf(stdout, "%-24s certificate until %s, group %s, enrolled %s\n", s.ID, s.Expires.Format(time.RFC3339),
			cmp.Or(s.Group, "-"), s.Enrolled.Format(time.RFC3339))
	}
	return 0
}

func sensorRemove(_ context.Context, args []string, _, stderr io.Writer) int {
	fs := subcommand.Flags("collector sensor remove ID", stderr)
	load := configFlags(fs)
	id, code, ok := parseID(fs, args, stderr)
	if !ok {
		return code
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	if err := collector.RemoveSensor(cfg, id); err != nil {
		return fail(stderr, err)
	}
	return 0
}

// parseID takes the one argument, before or after the flags.
func parseID(fs *flag.FlagSet, args []string, stderr io.Writer) (id string, code int, ok bool) {
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		id, args = args[0], args[1:]
	}
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return "", 0, false
	case err != nil:
		return "", 2, false
	case id == "" && fs.NArg() == 1:
		return fs.Arg(0), 0, true
	case id == "" || fs.NArg() > 0:
		fmt.Fprintf(stderr, "%s: give one argument\n", fs.Name())
		return "", 2, false
	}
	return id, 0, true
}
