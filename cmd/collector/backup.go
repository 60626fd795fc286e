package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/subcommand"
)

// backupCommand is `collector backup --out FILE`. The file appears once it is whole.
func backupCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector backup", stderr)
	load := configFlags(fs)
	out := fs.String("out", "", "new `file` to write; - is standard output")
	by := fs.String("by", os.Getenv("USER"), "`person` that the audit log names")
	without := fs.Bool("without-alerts", false, "leave the alerts out, which are most of it")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	if *out == "" {
		fmt.Fprintf(stderr, "%s: name the file by --out\n", fs.Name())
		return 2
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	write := func(w io.Writer) error {
		return collector.Backup(ctx, w, cfg, *by, collector.BackupOptions{WithoutAlerts: *without, Version: version()})
	}
	if *out == "-" {
		err = write(stdout)
	} else {
		err = writeNew(*out, write)
	}
	if err != nil {
		return fail(stderr, fmt.Errorf("backup: %w", err))
	}
	return 0
}

// writeNew makes a file that did not exist; only its owner may read it.
func writeNew(path string, write func(io.Writer) error) error {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists", path)
	}
	part := path + ".part"
	f, err := os.OpenFile(part, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer os.Remove(part) // fails once renamed
	err = write(f)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(part, path)
}

// restoreCommand is `collector restore --in FILE --data DIR`.
func restoreCommand(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector restore", stderr)
	load := configFlags(fs)
	in := fs.String("in", "", "`file` that collector backup has written; - is standard input")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	var from io.Reader = os.Stdin
	if *in != "-" {
		f, err := os.Open(*in)
		if err != nil {
			return fail(stderr, err)
		}
		defer f.Close()
		from = f
	}
	m, err := collector.Restore(from, cfg.Data)
	if err != nil {
		return fail(stderr, fmt.Errorf("restore: %w", err))
	}
	fmt.Fprintf(stdout, "%s holds the backup of %s: %d files, verdicts up to %d\n", cfg.Data, m.At.Format(time.RFC3339), len(m.Files), m.Seq)
	return 0
}
