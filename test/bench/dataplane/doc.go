// Package dataplane measures the kernel half of the sensor beside its floor and its peers: a bare XDP_DROP, xdp-filter of Debian's
// xdp-tools, a program with a per-source LRU map, and inspection by AF_XDP. Ratios are of one run, programs taking turns.
package dataplane

//go:generate go tool bpf2go -cc clang-16 -strip llvm-strip-16 -target bpfel -no-global-types -cflags "-O2 -g -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-function -I../../../bpf/src" lru src/lru.bpf.c
