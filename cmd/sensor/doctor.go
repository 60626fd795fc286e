package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/weir-ips/weir/internal/sensor/config"
	"github.com/weir-ips/weir/internal/sensor/doctor"
	"github.com/weir-ips/weir/internal/subcommand"
)

// doctorCommand says whether this host is fit for a sensor: 0 when it is, 1 when something keeps it from working.
func doctorCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("sensor doctor", stderr)
	path := fs.String("config", defaultConfig, "configuration `file`")
	mode := fs.String("mode", "", "host, gwlb or mirror, instead of a configuration: with --interface")
	interfaces := fs.String("interface", "", "`names` of interfaces, separated by commas: with --mode")
	bpffs := fs.String("bpffs", config.Default().BPFFS, "BPF file system `folder`: with --mode")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := fs.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return 0
		}
		return 2
	}
	if fs.NArg() > 0 || (*mode == "") != (*interfaces == "") {
		fmt.Fprintln(stderr, "usage: sensor doctor [--config FILE | --mode MODE --interface NAMES [--bpffs DIR]] [--json]")
		return 2
	}
	subject, trouble := doctor.Subject{Mode: *mode, Interfaces: strings.Split(*interfaces, ","), BPFFS: *bpffs}, ""
	if *mode == "" {
		subject, trouble = configuredSubject(*path)
	}
	facts := doctor.Gather(subject)
	facts.Configuration = trouble
	return report(doctor.Judge(facts), *asJSON, stdout, stderr)
}

// configuredSubject takes mode and interfaces from the configuration; what is wrong with it becomes a finding.
func configuredSubject(path string) (doctor.Subject, string) {
	cfg, err := config.Load(path)
	if err != nil {
		return doctor.Subject{BPFFS: config.Default().BPFFS}, err.Error()
	}
	return doctor.Subject{Mode: string(cfg.Mode), Interfaces: cfg.Interfaces, BPFFS: cfg.BPFFS}, ""
}

func report(findings []doctor.Finding, asJSON bool, stdout, stderr io.Writer) int {
	code := 0
	if doctor.Worst(findings) == doctor.Failure {
		code = 1
	}
	if asJSON {
		if err := printJSON(stdout, findings); err != nil {
			return failed(stderr, "sensor doctor", err)
		}
		return code
	}
	w := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		fmt.Fprintf(w, "%s\t%s\t%s\n", f.Level, strings.TrimSpace(f.Check+" "+f.Subject), f.Found)
		if f.Level != doctor.OK {
			fmt.Fprintf(w, "\t\t→ %s\n", f.Advice)
		}
	}
	if err := w.Flush(); err != nil {
		return failed(stderr, "sensor doctor", err)
	}
	return code
}
