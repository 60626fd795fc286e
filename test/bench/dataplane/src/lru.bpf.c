// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/*
 * The usual design to compare with: a hash of blocked sources and a packets-per-second window for every source, both
 * least-recently-used maps that the program itself fills, and the clock read for each packet.
 */
#include "helpers.h"

#define LRU_HASH 9
#define LIMIT 1000ULL           /* packets a second from one source */
#define SECOND 1000000000ULL

static long (*map_update)(void *map, const void *key, const void *value, __u64 flags) = (void *)2;

struct window {
	__u64 packets, bytes, ends;
};

struct {
	__uint(type, LRU_HASH);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, struct window);
} windows SEC(".maps");

struct {
	__uint(type, LRU_HASH);
	__uint(max_entries, 100000);
	__type(key, __u32);
	__type(value, __u64);
} blocked SEC(".maps");

SEC("xdp")
int lru(struct xdp_md *ctx)
{
	void *end = (void *)(long)ctx->data_end;
	struct ethhdr *eth = (void *)(long)ctx->data;
	struct iphdr *ip = (void *)(eth + 1);
	struct window *w, first;
	__u64 now = ktime_ns(), *until;
	__u32 src;

	if ((void *)(ip + 1) > end || eth->proto != htons(ETH_IP))
		return XDP_PASS;
	src = ip->src;
	until = map_lookup(&blocked, &src);
	if (until && now < *until)
		return XDP_DROP;
	w = map_lookup(&windows, &src);
	if (!w || now > w->ends) {
		first.packets = 1;
		first.bytes = end - (void *)eth;
		first.ends = now + SECOND;
		map_update(&windows, &src, &first, 0);
		return XDP_DROP; /* where a host would take it in: the benchmark measures the program, not the stack */
	}
	w->bytes += end - (void *)eth;
	if (++w->packets > LIMIT) {
		now += 60 * SECOND;
		map_update(&blocked, &src, &now, 0);
	}
	return XDP_DROP;
}

char _license[] SEC("license") = "Dual BSD/GPL";
