// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* The sensor in the kernel: see ../README.md. */
#include "tunnel.h"
#include "judge.h"
#include "sanity.h"
#include "floods.h"
#include "capture.h"
#include "act.h"

/* How a frame leaves that is not to be judged. */
INLINE int let_go(struct xdp_md *ctx, struct pkt *p, __u32 path)
{
	count(p, path);
	if (mode == MODE_GWLB)
		return hairpin(ctx, p);
	return mode == MODE_MIRROR ? XDP_DROP : XDP_PASS;
}

/* Whether somebody inspects, and whether verdicts hold: see enum failure. */
INLINE void check_lease(struct pkt *p)
{
	const struct control *c = p->control;
	__s32 age = p->now - c->heartbeat;

	p->alive = launder(p, !c->lease || age <= (__s32)c->lease);
	p->enforce = launder(p, p->alive || c->failure != FAIL_OPEN || age <= (__s32)c->hold);
}

/* Judges the packet. Returns XDP_DROP, or 0 and in *fate whether it still needs inspection. */
INLINE int stages(struct xdp_md *ctx, struct pkt *p, enum fate *fate)
{
	if (p->bad != REASON_BAD_IP) {
		hash_tuple(p);
		if (p->enforce)
			*fate = launder(p, judge(p));
	}
	if (p->enforce && !p->exempt && !p->want)
		p->want = launder(p, sanity(p));
	if (UNLIKELY(p->want) && drop(ctx, p))
		return XDP_DROP;
	if (p->bad == REASON_BAD_IP)
		return 0;
	p->want = 0;
	floods(p);
	if (UNLIKELY(p->want) && drop(ctx, p))
		return XDP_DROP;
	return 0;
}

INLINE int act(struct xdp_md *ctx, struct pkt *p, enum fate fate)
{
	if (mode == MODE_GWLB) {
		if (fate != DECIDED)
			return inspect(ctx, p);
		count(p, PATH_HAIRPIN);
		return hairpin(ctx, p);
	}
	if (fate == DECIDED)
		count(p, PATH_BYPASS);
	else if (p->control->capture)
		capture(ctx, p);
	if (mode == MODE_MIRROR) {
		count(p, PATH_CONSUMED);
		return XDP_DROP;
	}
	count(p, PATH_PASS);
	return XDP_PASS;
}

SEC("xdp")
int sensor(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct pkt p = {};
	enum frame frame;
	enum fate fate = UNDECIDED;

	p.stats = map_lookup(&stats, &zero);
	p.control = map_lookup(&control, &zero);
	if (!p.stats || !p.control)
		return XDP_PASS;
	p.len = has_frags ? xdp_buff_len(ctx) : ctx->data_end - ctx->data;
	count(&p, PATH_PACKETS);
	count_n(&p, PATH_BYTES, p.len);
	frame = parse_frame(ctx, &p);
	if (frame == FRAME_OTHER) {
		count(&p, PATH_OTHER);
		return XDP_PASS;
	}
	if (frame == FRAME_CARRY)
		return let_go(ctx, &p, PATH_OTHER);
	if (UNLIKELY(p.control->kill))
		return let_go(ctx, &p, PATH_KILLED);
	p.now = jiffies64() >> tick_shift;
	check_lease(&p);
	if (stages(ctx, &p, &fate))
		return XDP_DROP;
	return act(ctx, &p, fate);
}

/* Not attached: Go runs it once to learn how ticks relate to time. Writes jiffies and CLOCK_MONOTONIC to the packet. */
SEC("xdp")
int clock(struct xdp_md *ctx)
{
	__u64 *out = (void *)(long)ctx->data;

	if (!FITS(ctx, out, 16))
		return XDP_ABORTED;
	out[0] = jiffies64();
	out[1] = ktime_ns();
	return XDP_PASS;
}

char _license[] SEC("license") = "Dual BSD/GPL";
