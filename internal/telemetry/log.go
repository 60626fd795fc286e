// Package telemetry is how both programs talk about themselves: structured logs, and the packet path's plain counters as
// Prometheus metrics.
package telemetry

import (
	"fmt"
	"io"
	"log/slog"
)

// LogOptions chooses how logs look. The zero value is text at level info.
type LogOptions struct {
	Format string `yaml:"format"` // text | json
	Level  string `yaml:"level"`  // debug | info | warn | error
}

// NewLogger writes logs to w.
func NewLogger(w io.Writer, o LogOptions) (*slog.Logger, error) {
	var level slog.Level
	if o.Level != "" {
		if err := level.UnmarshalText([]byte(o.Level)); err != nil {
			return nil, fmt.Errorf("log level %q is not one of debug, info, warn, error", o.Level)
		}
	}
	ho := &slog.HandlerOptions{Level: level}
	switch o.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, ho)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, ho)), nil
	}
	return nil, fmt.Errorf("log format %q is not one of text, json", o.Format)
}
