// Package bpf is the kernel half of a sensor and its binding to Go: one XDP program (src/), the maps it shares with user
// space, and the life cycle of both.
//
// Load makes the maps, or adopts those that an earlier process left pinned, and sets the program's constants; Attach puts
// the program on an interface through a pinned link, or replaces the one that is there without a gap. Closing the Sensor
// leaves program and maps at work; Detach removes them.
//
// Every struct in types.go mirrors one in src/types.h, byte by byte; layout_test.go proves it through the object's BTF.
// The maps, who writes and who reads them: README.md. Prefer pkg/verdict/enforce to writing verdict maps by hand.
package bpf
