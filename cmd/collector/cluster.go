package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/weir-ips/weir/internal/collector"
	"github.com/weir-ips/weir/internal/subcommand"
)

func clusterCommand(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	return subcommand.Dispatch(ctx, "collector cluster", []subcommand.Command{
		{Name: "prepare", Summary: "write servers' configurations, certificates and keys", Run: clusterPrepare},
	}, args, stdout, stderr)
}

// clusterPrepare is `collector cluster prepare --nodes n1=host,…  --out DIR`.
func clusterPrepare(_ context.Context, args []string, stdout, stderr io.Writer) int {
	fs := subcommand.Flags("collector cluster prepare", stderr)
	load := configFlags(fs)
	nodes := fs.String("nodes", "", "`hosts` of the servers, separated by commas: host, or host:port where several share one")
	out := fs.String("out", "", "new `directory` to write to")
	store := fs.String("store", "/var/lib/nats", "`directory` on the servers that streams are kept in")
	if code, ok := parse(fs, args, stderr); !ok {
		return code
	}
	if *nodes == "" || *out == "" {
		fmt.Fprintf(stderr, "%s: give --nodes and --out\n", fs.Name())
		return 2
	}
	cfg, err := load()
	if err != nil {
		return fail(stderr, err)
	}
	files, err := collector.PrepareCluster(cfg, strings.Split(*nodes, ","), *store)
	if err == nil {
		err = os.Mkdir(*out, 0o700)
	}
	if err != nil {
		return fail(stderr, err)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(*out, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fail(stderr, err)
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return fail(stderr, err)
		}
		fmt.Fprintln(stdout, path)
	}
	return 0
}
