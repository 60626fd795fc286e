/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The maps; ../README.md says who fills them. Go sets the sizes of those marked so. */
#include "types.h"
#include "helpers.h"

/* Constants that Go sets before loading. */
volatile const __u32 mode = MODE_HOST;
volatile const __u32 snaplen = 9216;
volatile const __u32 ring_count = 1;
volatile const __u32 tick_shift = 4;
volatile const __u32 source_mask = 0;     /* buckets of one generation - 1 */
volatile const __u32 flow_mask = 0;       /* buckets - 1 */
volatile const __u32 dest_mask = 0;       /* sets - 1 */
volatile const __u32 first_room = 50000;  /* SYNs a tick and CPU that can be remembered */
/* Which objects of features.h are linked in. */
volatile const __u32 has_challenge = 0;
volatile const __u32 has_cookie = 0;
volatile const __u32 has_fingerprint = 0;
volatile const __u32 has_frags = 0;

#define PRESENCE4_WORDS (1 << 19)               /* 2^24 /24s, 32 to a word */
#define PRESENCE6_WORDS (1 << 16)               /* 2^21 hashed /48s */
#define PRESENCE6_SHORT ((1 << 16) / 32)        /* then 2^16 by the first 16 bits, for prefixes shorter than /48 */
#define GOOD_WORDS (1 << 15)
#define RECENT (1 << 20)

#define ARRAY(name_, value_, entries_, flags_)           \
	struct {                                         \
		__uint(type, BPF_MAP_TYPE_ARRAY);        \
		__uint(max_entries, entries_);           \
		__uint(map_flags, flags_);               \
		__type(key, __u32);                      \
		__type(value, value_);                   \
	} name_ SEC(".maps")

/* A section of data is an array of one whose address the program knows: no look-up. */
struct control control SEC(".data.control");
struct coarse coarse SEC(".data.coarse");

ARRAY(sources, struct bucket, 2, BPF_F_MMAPABLE);    /* sized by Go: 2 generations */
ARRAY(verdicts, struct verdict, 1, BPF_F_MMAPABLE);  /* sized by Go */
ARRAY(targets, struct target, 4096, BPF_F_MMAPABLE);
ARRAY(presence4, __u64, 2 * PRESENCE4_WORDS, BPF_F_MMAPABLE);
ARRAY(presence6, __u64, 2 * (PRESENCE6_WORDS + PRESENCE6_SHORT), BPF_F_MMAPABLE);
ARRAY(flow_cells, struct bucket, 1, BPF_F_MMAPABLE); /* sized by Go */
ARRAY(flows, struct flow, 1, BPF_F_MMAPABLE);        /* sized by Go */
ARRAY(dests, struct dest, DEST_WAYS, BPF_F_MMAPABLE);/* sized by Go */
ARRAY(arms, struct arm, DEST_WAYS, BPF_F_MMAPABLE);  /* sized by Go */
ARRAY(good, struct good, GOOD_WORDS, BPF_F_MMAPABLE);
ARRAY(filters, struct filter, FILTERS, BPF_F_MMAPABLE);
ARRAY(recent, __u32, RECENT, 0);
ARRAY(credits, struct credit, 64, BPF_F_MMAPABLE);

struct lpm {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 100000);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, __u32);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 2);
	__type(key, __u32);
	__array(values, struct lpm);
} prefixes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct prefix_key);
	__type(value, __u32);
} guard SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stats);
} stats SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 23); /* sized by Go */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 64);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} samples SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} sightings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u32);
} sockets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} bridge SEC(".maps");

/* Types that no map mentions, kept in the object's BTF for layout_test.go. */
struct mentioned {
	struct capture capture;
	struct sample sample;
	struct sighting sighting;
	enum reason reason;
	enum path path;
	enum class class;
	enum step step;
};
struct mentioned *mentioned __attribute__((unused));
