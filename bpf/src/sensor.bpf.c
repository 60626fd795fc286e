// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause

/* The sensor in the kernel: see ../README.md. */
#include "tunnel.h"
#include "judge.h"
#include "sanity.h"
#include "floods.h"
#include "act.h"

/* How a frame leaves that is not to be judged. */
INLINE int let_go(const struct env *e, __u32 path)
{
	count(e, path);
	if (mode == MODE_GWLB || mode == MODE_BRIDGE)
		return move_on(e);
	return mode == MODE_MIRROR ? XDP_DROP : XDP_PASS;
}

/* Whether somebody inspects, and whether verdicts hold: see enum failure. */
INLINE void check_lease(const struct env *e)
{
	__s32 age = e->p->now - control.heartbeat;

	e->p->alive = !control.lease || age <= (__s32)control.lease;
	e->p->enforce = e->p->alive || control.failure != FAIL_OPEN || age <= (__s32)control.hold;
}

/* Judges the packet; returns whether it is dropped. */
INLINE int stages(const struct env *e)
{
	struct pkt *p = e->p;

	if (p->bad != REASON_BAD_IP) {
		if (mode == MODE_GWLB || mode == MODE_BRIDGE || control.flows || control.capture)
			hash_tuple(e);
		if (p->enforce)
			judge(e);
	}
	if (p->enforce && !p->exempt && !p->want)
		p->want = sanity(p);
	if (UNLIKELY(p->want) && drop(e))
		return 1;
	if (p->bad == REASON_BAD_IP)
		return 0;
	p->want = 0;
	floods(e);
	return UNLIKELY(p->want) && drop(e);
}

INLINE int act(const struct env *e)
{
	if (mode == MODE_GWLB || mode == MODE_BRIDGE)
		return inline_act(e);
	if (e->p->decided)
		count(e, PATH_BYPASS);
	else if (control.capture)
		capture_frame(e->ctx);
	if (mode == MODE_MIRROR) {
		count(e, PATH_CONSUMED);
		return XDP_DROP;
	}
	count(e, PATH_PASS);
	return XDP_PASS;
}

/* Answers a SYN that is dropped. */
INLINE int answer(const struct env *e)
{
	return has_cookie && e->p->answer == ANSWER_COOKIE ? answer_cookie(e->ctx) : answer_challenge(e->ctx);
}

/* Makes scratch forget the packet before. */
INLINE void begin(const struct env *e)
{
	struct pkt *p = e->p;

	__builtin_memset(&p->sport, 0, sizeof(*p) - __builtin_offsetof(struct pkt, sport));
	p->len = has_frags ? frame_length(e->ctx) : e->ctx->data_end - e->ctx->data;
	e->stats->paths[PATH_PACKETS]++;
	e->stats->paths[PATH_BYTES] += p->len;
}

SEC("xdp")
int sensor(struct xdp_md *ctx)
{
	__u32 zero = 0;
	struct env e = {
		.ctx = ctx,
		.stats = map_lookup(&stats, &zero),
	};
	enum frame frame;

	if (!e.stats)
		return XDP_PASS;
	e.p = (struct pkt *)e.stats->scratch;
	begin(&e);
	frame = parse_frame(&e);
	if (frame == FRAME_OTHER && mode != MODE_BRIDGE) {
		count(&e, PATH_OTHER);
		return XDP_PASS;
	}
	if (frame != FRAME_JUDGE)
		return let_go(&e, PATH_OTHER);
	if (UNLIKELY(control.kill))
		return let_go(&e, PATH_KILLED);
	e.p->now = jiffies64() >> tick_shift;
	check_lease(&e);
	if (stages(&e))
		return UNLIKELY(e.p->answer) ? answer(&e) : XDP_DROP;
	return act(&e);
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
