package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
)

func versionCommand(_ context.Context, _ []string, stdout, _ io.Writer) int {
	fmt.Fprintln(stdout, version())
	return 0
}

// version is the module's, as the Go tool records it from the version control.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "unknown"
}
