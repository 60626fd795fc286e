package path

import (
	"os"
	"runtime"
	"runtime/debug"
)

// How much garbage may pile up before it is collected, in percent of what is in use. Loading makes much garbage that is
// soon useless, and its peak is the sensor's. Afterwards the rules are most of what is in use: each collection walks through
// them all, and finds only what traffic has left. GOGC in the environment overrides both; GOMEMLIMIT bounds the whole.
const (
	percentLoading = 30
	percentRunning = 240
)

// Loading keeps the peak of memory low until the function that it returns is called, which collects what loading has left
// over, so that no collection does during the first packets. Both are to be called with rules at start and at each reload:
//
//	defer path.Loading()()
func Loading() (done func()) {
	if os.Getenv("GOGC") != "" {
		return runtime.GC
	}
	debug.SetGCPercent(percentLoading)
	return func() {
		runtime.GC()
		debug.SetGCPercent(percentRunning)
	}
}
