package store

import (
	"log/slog"
	"time"
)

// Options is where and how much the store keeps. Dir is required.
type Options struct {
	Dir      string        // made with mode 0700 if it does not exist
	MaxAge   time.Duration // a day is unlinked this long after it was last written to; 30 days if 0
	MaxBytes int64         // beyond it the oldest days are unlinked; 0 is no bound
	Desk     *Desk         // keeps suppressions, for several collectors; nil: a file in Dir. Whoever opened it closes it
	Log      *slog.Logger  // nil: slog.DiscardHandler
	Now      func() time.Time
}
