/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * What the XDP program and Go share: every struct here has a typed mirror in package bpf, proved equal by layout_test.go.
 * Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d; ports and everything else are in host order.
 *
 * A tick is jiffies >> tick_shift, about 64 ms whatever HZ is: time costs XDP one load, and fits 32 bits.
 */
#include "kern.h"

enum mode { MODE_HOST = 1, MODE_GWLB, MODE_BRIDGE, MODE_MIRROR };

/* What a verdict does; the numbers are verdict.Action's. */
enum action { ACTION_OBSERVE, ACTION_RATELIMIT, ACTION_DROP, ACTION_PASS, ACTION_BYPASS };

/* Why a packet was dropped; Go mirror: Reason. */
enum reason {
	REASON_NONE,
	REASON_FLOW,         /* verdict on the flow */
	REASON_SOURCE,       /* verdict on the source address */
	REASON_PREFIX,       /* verdict on a prefix that holds the source */
	REASON_RATE,         /* over the rate of a ratelimit verdict */
	REASON_FLOOD_SYN,    /* over an armed destination's rate, by class */
	REASON_FLOOD_SYNACK,
	REASON_FLOOD_UDP,
	REASON_FLOOD_ICMP,
	REASON_FLOOD_TCP,
	REASON_FLOOD_FRAGMENT,
	REASON_FLOOD_OTHER,
	REASON_FINGERPRINT,  /* looks like the attack on an armed destination */
	REASON_UNASKED,      /* an answer to an armed destination that did not ask: amplification, reflection */
	REASON_PROOF,        /* the reset by which a challenged source shows that it is */
	REASON_BAD_IP,       /* version, header length or total length cannot be */
	REASON_BAD_L4,       /* transport header cut short or its length cannot be */
	REASON_TCP_FLAGS,    /* none, SYN+FIN, SYN+RST, or FIN+PSH+URG without ACK */
	REASON_LAND,         /* source and destination are the same */
	REASON_PORT_ZERO,
	REASON_FRAGMENT,     /* first fragment without its transport header, or offset 1 (RFC 1858, RFC 3128) */
	REASON_BAD_SOURCE,   /* loopback, multicast or broadcast as source */
	REASON_EXTENSIONS,   /* more than 6 IPv6 extension headers, or cut short in one */
	REASON_BACKLOG,      /* gwlb, bridge, on-failure closed: inspection is behind, no credit left */
	REASON_CLOSED,       /* gwlb, bridge, on-failure closed: nobody inspects */
	REASON_OVERSIZE,     /* gwlb, bridge, on-failure closed: longer than inspection takes */
	REASONS
};

/* What else happened; Go mirror: Path. */
enum path {
	PATH_PACKETS,     /* frames seen */
	PATH_BYTES,
	PATH_OTHER,       /* not for us to judge: no IP, in gwlb and mirror no tunnel; passed to the stack, in bridge moved on */
	PATH_PASS,        /* passed to the stack after all stages */
	PATH_HAIRPIN,     /* sent back to the load balancer, or out of the other port, because a verdict decided the flow */
	PATH_INSPECT,     /* redirected to the AF_XDP socket */
	PATH_CAPTURE,     /* copied to a ring */
	PATH_CAPTURE_LOST,/* no room in the ring */
	PATH_CONSUMED,    /* mirror: swallowed after copying */
	PATH_BYPASS,      /* not copied because a verdict says bypass */
	PATH_GUARDED,     /* would have been dropped, but the source is never blocked */
	PATH_KILLED,      /* kill switch on: nothing judged */
	PATH_LEASE_OPEN,  /* nobody inspects: let through by policy */
	PATH_CREDIT_OPEN, /* inspection is behind: let through by policy */
	PATH_NO_SOCKET,   /* nobody inspects this queue: let through by policy */
	PATH_GOOD,        /* known-good source passed an armed destination */
	PATH_DEST_FULL,   /* packet to a destination that found no counter */
	PATH_SAMPLE_LOST, /* no room for a drop sample, or over its rate */
	PATH_ASKED,       /* an answer that an armed destination had asked for */
	PATH_SIGHTED,     /* packet to an armed destination shown to user space */
	PATH_SIGHT_LOST,  /* no room for a sighting */
	PATH_PROVED,      /* ACK of a SYN cookie: the source is real */
	PATH_CHALLENGED,  /* dropped SYN to an armed destination, answered in its place to see whether the source is real */
	PATH_OVERSIZE_OPEN, /* longer than inspection takes: let through by policy */
	PATHS
};

/* Classes of packet that a destination's counters and limits tell apart; Go mirror: Class. */
enum class { CLASS_SYN, CLASS_SYNACK, CLASS_UDP, CLASS_ICMP, CLASS_TCP, CLASS_FRAGMENT, CLASS_OTHER, CLASSES = 8 };

enum failure { FAIL_OPEN = 1, FAIL_STATIC, FAIL_CLOSED };

/* Whether a whole /16 (IPv4) or hashed /32 (IPv6) may hold anything: a bit each, by generation. */
struct coarse {
	__u64 four[2][1024];
	__u64 six[2][1024];
	__u64 good[1024][2]; /* the same about known-good sources, IPv4 and IPv6 in one, by their own generations */
};

/* good[i]: bits of sources that completed a handshake, both generations side by side. */
struct good {
	__u64 bits[2];
};

/* What a /24 (IPv4) or /48 (IPv6) may hold; each level includes those below. */
enum presence { HAS_NOTHING, HAS_SOURCE, HAS_PREFIX, HAS_GUARD };

/* control[0]: what Go tells the program while it runs. */
struct control {
	__u64 seed;       /* keys every hash; chosen once for the life of the maps */
	__u32 generation; /* which half of sources, presence4, presence6 and prefixes is in force */
	__u32 kill;       /* not 0: nothing is dropped, nothing inspected */
	__u32 observe;    /* not 0: count what would be dropped, drop nothing */
	__u32 failure;    /* enum failure */
	__u32 heartbeat;  /* tick of the last sign of life */
	__u32 lease;      /* ticks after which inspection counts as dead; 0: never */
	__u32 hold;       /* FAIL_OPEN: ticks after which verdicts lapse too; 0: at once with the lease */
	__u32 flows;      /* number of flow verdicts; 0 skips the lookup */
	__u32 capture;    /* not 0: copy packets to the rings */
	__u32 good;       /* which half of the known-good bits Go fills; both are read */
	__u64 epoch;      /* Go's own: collector epoch and seq the maps stand at */
	__u64 seq;
	__u64 shorter6;   /* bit by an IPv6 address's first 6: prefixes shorter than /48 may hold it */
	__u32 second;     /* bridge: interface number of the second port */
	__u32 asking;     /* not 0: a destination is armed against answers it did not ask for, so questions are remembered */
	__u32 challenges; /* that a processor may send in a tick */
	__u32 pad;
	__u64 key[2];     /* of the cookies in challenges; chosen once, as seed */
	__u64 zero;       /* always 0, which the verifier does not know */
};

/* Eight cells of an open hash table in one cache line. slot 0: empty; TOMBSTONE: freed, keep probing. */
#define CELLS 8
#define PROBES 8
#define TOMBSTONE 0xffffffff
struct cell {
	__u32 tag;
	__u32 slot;
};
struct bucket {
	struct cell cells[CELLS];
};

/* verdicts[slot]: a verdict on a source or prefix. Chained by next: narrower ones of the same source, wider prefixes. */
struct verdict {
	__u64 packets; /* matched */
	__u64 bytes;
	__u32 expires; /* tick */
	__u32 rule;
	__u32 next;    /* slot; 0 ends the chain */
	__u8 action;
	__u8 rank;     /* higher wins; among equals the first found */
	__u8 plen;     /* of src, in the 128-bit form */
	__u8 proto;    /* 0: any */
	__u8 src[16];
	__u32 target;  /* index into targets; 0: any destination */
	__u16 port;    /* destination port; 0: any */
	__u8 origin;
	__u8 flags;
	__u32 budget;  /* ratelimit: packets per window of RATE_WINDOW ticks, < 2^20 */
	__u32 spent;   /* window number << 20 | packets passed in it */
};
#define CHAIN 8
#define RATE_WINDOW 4 /* log2 ticks: about 1 s */
#define SPENT_BITS 20

/* targets[i]: the destination a verdict is narrowed to, as words in network order. */
struct target {
	__u64 addr[2];
	__u64 mask[2];
};

/* One conversation, the same for both directions: the numerically lower (address, port) end is a. */
struct tuple {
	__u8 a[16];
	__u8 b[16];
	__u64 tenant; /* GWLB endpoint id, VNI, or 0 */
	__u16 aport;
	__u16 bport;
	__u8 proto;
	__u8 pad[3];
};

/* flows[slot]: a verdict on one flow. */
struct flow {
	struct tuple key;
	__u32 expires; /* tick */
	__u32 rule;
	__u8 action;
	__u8 rank;
	__u8 origin;
	__u8 flags;    /* FLOW_* */
	__u32 last;    /* tick of the last packet */
	__u64 packets[2]; /* a to b, b to a */
	__u64 bytes[2];
	__u32 budget;
	__u32 spent;
	__u64 spare[3];
};
#define FLOW_FROM_B 1 /* b is the initiator */

/* dests[i]: packets to one destination, cumulative, one line each, four ways a set. XDP claims a way that is idle. */
struct dest {
	__u8 addr[16];
	__u32 last;     /* tick of the last packet */
	__u8 armed;     /* bit per class: arms[i] holds a limit */
	__u8 steps;     /* bit per enum step: arms[i] holds its end */
	__u8 fixed;     /* not 0: claimed by Go, never reclaimed */
	__u8 claims;    /* how often the way changed its destination; wraps */
	__u32 packets[CLASSES];
	__u64 bytes;
};
#define FIRST_AGAIN 8    /* ticks after which a repetition counts: senders wait a second (RFC 6298) */
#define FIRST_HELD 20    /* ticks for which another does not take the place of a first SYN */
#define FIRST_KEPT 64    /* ticks for which it is remembered, if none has */
#define FIRST_SHARES 64  /* parts of all SYNs, by hash; in a flood some of them are remembered */
#define FIRST_TURN 7     /* log2 ticks after which others have their turn */
#define CHALLENGE_EPOCH 5 /* log2 ticks: about 2 s, and as long again, for which a challenge may be answered */
#define ASKED_KEPT 64    /* ticks for which an answer may come */
#define DEST_WAYS 4
#define DEST_IDLE 32 /* ticks without a packet after which a way may be claimed: about 2 s */

/* Steps of the mitigation of an armed destination, besides its limits; Go mirror: Step. */
enum step {
	STEP_FINGERPRINT, /* drop what looks like one of the filter's fingerprints */
	STEP_UNASKED,     /* drop UDP from the filter's source ports that the destination has not asked */
	STEP_SYNACK,      /* drop SYN+ACKs that the destination has not asked for by a SYN; not in host mode */
	STEP_SIGHT,       /* show packets to user space */
	STEP_FIRST,       /* a SYN must be a repetition: whoever forges sources does not wait and send it again */
	STEP_CHALLENGE,   /* a SYN that would be dropped for that, or without STEP_FIRST every SYN, is answered: see challenge.h */
	STEP_COOKIE,      /* the same with a SYN cookie of the kernel's, whose ACK the host accepts: host mode, net.ipv4.tcp_syncookies 2 */
	STEPS = 8
};

/* arms[i]: limits and steps of dests[i]. */
struct arm {
	__u32 budget[CLASSES]; /* packets per window of ARM_WINDOW ticks */
	__u32 expires[CLASSES];
	__u32 window[CLASSES];
	__u32 spent[CLASSES];
	__u32 until[STEPS];    /* tick at which the step ends */
	__u32 filter;          /* index into filters; 0: none */
	__u32 pad[7];
};
#define ARM_WINDOW 2 /* log2 ticks: about 256 ms */

/*
 * What a fingerprint sees of a packet, all in host order but head. What the packet does not have is 0. A later fragment has
 * no transport header: what follows its IP header is payload.
 */
struct features {
	__u16 length;   /* of the IP packet, its header included */
	__u16 id;       /* IPv4: identification */
	__u16 fragment; /* IPv4: flags and offset, as in the header */
	__u8 ttl;       /* or hop limit */
	__u8 tos;       /* or traffic class */
	__u16 sport;
	__u16 dport;
	__u16 window;   /* TCP: not scaled */
	__u16 payload;  /* bytes behind the transport header */
	__u32 options;  /* TCP: kinds of the first 8, the first in the lowest 4 bits; 15: above 14; ends at the end-of-list option */
	__u16 mss;      /* TCP option 2 */
	__u8 scale;     /* TCP option 3: shift + 1 */
	__u8 flags;     /* TCP; ICMP: the type */
	__u32 seq;      /* TCP */
	__u32 ack;
	__u8 head[8];   /* first bytes of the payload, as they lie on the wire */
	__u32 src;      /* IPv4: address; IPv6: its first 32 bits */
	__u8 proto;
	__u8 version;   /* 4 or 6 */
	__u16 spare;
};
#define FEATURE_WORDS 6

/* What an attack's packets have in common. A packet is alike if it agrees in all bits of mask, and lies in the ranges. */
struct fingerprint {
	__u64 packets; /* alike, those of known-good sources aside */
	__u64 bytes;
	struct features value;
	struct features mask;
	__u16 min_length; /* of features.length */
	__u16 max_length;
	__u8 min_ttl;
	__u8 max_ttl;
	__u8 flags;       /* PRINT_* */
	__u8 pad;
	__u32 expires;    /* tick */
	__u32 rule;
};
#define PRINT_OBSERVE 1  /* count, drop nothing */
#define PRINT_EVERYONE 2 /* drop known-good sources' packets too */
#define PRINTS 8
#define FILTER_PORTS 32

/* filters[i]: what an armed destination's packets are compared with. 0 is none. */
struct filter {
	__u16 ports[FILTER_PORTS]; /* UDP source ports of amplifiers; 0: none */
	__u64 unasked;             /* packets from them that nobody asked for */
	__u64 asked;
	__u64 synacks;             /* SYN+ACKs that nobody asked for */
	__u32 owner;               /* Go's own: index into dests + 1 */
	__u32 sight_tick;
	__u32 sights;              /* in this tick */
	__u32 pad[7];
	struct fingerprint prints[PRINTS];
};
#define FILTERS 1024
#define SIGHTS_PER_TICK 16

#define PORT_QUEUES 32 /* bridge: receive queues of a port that are served */

/* credits[queue]: how many buffers inspection still has, granted - used; one writer and one line each. */
struct credit {
	__u64 granted; /* Go */
	__u32 room;    /* Go: bytes of a frame that a buffer takes; never 0 where most is not */
	__u32 most;    /* Go: bytes of the longest frame that the socket takes */
	__u64 pad[6];
	__u64 used;    /* XDP */
	__u64 pad2[7];
};

#define REMINDERS 256
#define REMIND_EVERY 16 /* ticks: about a second */

/* stats[0], per CPU. */
struct stats {
	__u64 drops[REASONS];  /* dropped */
	__u64 would[REASONS];  /* would have been, but for observe mode or an observing verdict */
	__u64 paths[PATHS];
	__u32 sample_tick;
	__u32 samples;
	__u32 first_tick;  /* SYNs to destinations armed so: in this tick, and how many shares are remembered */
	__u32 first_syns;
	__u32 first_shares;
	__u32 challenge_tick;
	__u32 challenges;
	__u32 spare;
	__u16 reminded[REMINDERS]; /* by hashed address and port: tick of the last SYN let through so that the host goes on to accept cookies */
	__u64 scratch[32]; /* the program's own: struct pkt */
};
#define SAMPLES_PER_TICK 8

/* Head of a record in a capture ring; the frame follows, cut to caplen. */
struct capture {
	__u64 time;    /* CLOCK_MONOTONIC ns */
	__u32 wirelen;
	__u32 caplen;
	__u32 hash;    /* symmetric hash that chose the ring */
	__u16 queue;   /* receive queue */
	__u16 flags;
};

/* A record in the samples ring: the head of a dropped packet. */
#define SAMPLE_HEAD 128
struct sample {
	__u64 time;    /* CLOCK_MONOTONIC ns */
	__u32 ifindex;
	__u32 wirelen;
	__u32 rule;
	__u32 slot;    /* of the verdict, 0 if none; of a flow for REASON_FLOW; filter * PRINTS + index for REASON_FINGERPRINT */
	__u8 reason;
	__u8 dropped;  /* 0: would have been dropped */
	__u16 caplen;
	__u32 pad;
	__u8 head[SAMPLE_HEAD];
};

/* A record in the sightings ring: a packet to an armed destination, before it is judged by fingerprints, ports and limits. */
struct sighting {
	__u64 time;    /* CLOCK_MONOTONIC ns */
	__u8 src[16];
	__u8 dst[16];
	struct features features;
	__u32 ifindex;
	__u32 wirelen;
	__u8 class;
	__u8 good;     /* the source is known good */
	__u16 caplen;
	__u16 offset;  /* of the IP header in head; beyond it in deep tunnels */
	__u16 pad;
	__u8 head[SAMPLE_HEAD];
};

/* Key of prefixes and guard. */
struct prefix_key {
	__u32 plen; /* in the 128-bit form: an IPv4 /24 is 120 */
	__u8 addr[16];
};
