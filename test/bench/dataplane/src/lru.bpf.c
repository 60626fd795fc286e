// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * The design to compare with: what published XDP firewalls with rate limits by source do to every packet, as XDP-Firewall
 * (github.com/gamemann/XDP-Firewall) does with its rate limits by source address, by source flow, or both. The map layout, the
 * order of the steps and the sizes (100,000 entries each) are its; the code is ours. In the peer's favour: IPv4 alone, one
 * rule that is looked at without bpf_loop, no log, and the packet is dropped where a rule would pass it to the host's stack.
 */
#include "helpers.h"

#define LRU_HASH 9
#define ENTRIES 100000
#define SECOND 1000000000ULL

static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;

volatile const __u32 by_source = 1; /* count packets and bytes a second of each source address */
volatile const __u32 by_flow = 0;   /* and of each source address, port and protocol */

struct window {
	__u64 packets, bytes, ends;
};

struct flow_key {
	__u32 src;
	__u16 sport;
	__u8 proto, pad;
};

struct rule {
	__u64 source_pps, flow_pps, block; /* 0: any rate; seconds */
	__u32 on;
	__u8 proto;
};

struct counts {
	__u64 allowed, dropped, passed;
};

struct {
	__uint(type, LRU_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, __u64);
} blocked SEC(".maps");

struct {
	__uint(type, LRU_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, __u32);
	__type(value, struct window);
} sources SEC(".maps");

struct {
	__uint(type, LRU_HASH);
	__uint(max_entries, ENTRIES);
	__type(key, struct flow_key);
	__type(value, struct window);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct rule);
} rules SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct counts);
} counts SEC(".maps");

/* Counts the packet in its window and returns how many there are. */
INLINE __u64 rate(void *map, const void *key, __u64 len, __u64 now)
{
	struct window *w = map_lookup(map, key), first;

	if (!w) {
		first.packets = 1;
		first.bytes = len;
		first.ends = now + SECOND;
		map_update(map, key, &first, 0);
		return 1;
	}
	if (now > w->ends) {
		w->packets = 1;
		w->bytes = len;
		w->ends = now + SECOND;
	} else {
		ADD(&w->packets, 1);
		ADD(&w->bytes, len);
	}
	return w->packets;
}

/* The rates of the packet's source, and the rule's word on them. */
INLINE void limit(const struct iphdr *ip, __u16 sport, __u64 len, __u64 now)
{
	struct flow_key key = {.src = ip->src, .sport = sport, .proto = ip->proto};
	__u64 source_pps = 0, flow_pps = 0, until;
	__u32 zero = 0;
	struct rule *r;

	if (by_source)
		source_pps = rate(&sources, &key.src, len, now);
	if (by_flow)
		flow_pps = rate(&flows, &key, len, now);
	r = map_lookup(&rules, &zero);
	if (!r || !r->on || (r->proto && r->proto != ip->proto) || (source_pps < r->source_pps && flow_pps < r->flow_pps))
		return;
	until = now + r->block * SECOND;
	map_update(&blocked, &key.src, &until, 0);
}

SEC("xdp")
int lru(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	__be16 *ports = (void *)(ip + 1);
	__u32 zero = 0, src;
	struct counts *c = map_lookup(&counts, &zero);
	__u64 now, *until;

	if (!c || (void *)(ports + 2) > end || eth->proto != htons(ETH_IP) || ip->vihl != 0x45)
		return XDP_PASS;
	if (ip->proto != PROTO_TCP && ip->proto != PROTO_UDP)
		return XDP_PASS;
	now = ktime_ns();
	src = ip->src;
	until = map_lookup(&blocked, &src);
	if (!until || now > *until)
		limit(ip, ports[0], end - (void *)eth, now);
	c->dropped++;
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
