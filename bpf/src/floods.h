/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* Counts per destination, and what is done for armed ones. */
#include "asked.h"
#include "drop.h"
#include "features.h"

/* Where coarse.good speaks of the source. */
INLINE __u32 good_near(const struct pkt *p)
{
	return p->version == 4 ? ntohl((__u32)(p->src[1] >> 32)) >> 16 : coarse6(p->src);
}

/* The source's place in good, and its 3 bits. IPv6 counts by /64. */
INLINE struct good *good_at(const struct pkt *p, __u64 *bits)
{
	__u64 h = hash_addr(control.seed, p->version == 4 ? p->src : (__u64[2]){p->src[0], 0});
	__u32 at = h & (GOOD_WORDS - 1);

	*bits = 1ULL << (h >> 32 & 63) | 1ULL << (h >> 38 & 63) | 1ULL << (h >> 44 & 63);
	return map_lookup(&good, &at);
}

/* Whether the source has completed a handshake lately: in either generation. */
INLINE int known_good(const struct env *e)
{
	__u32 near = good_near(e->p);
	const __u64 *word = coarse.good[near >> 6];
	struct good *g;
	__u64 bits;

	if (!((word[0] | word[1]) >> (near & 63) & 1))
		return 0;
	g = good_at(e->p, &bits);
	return g && ((g->bits[0] & bits) == bits || (g->bits[1] & bits) == bits);
}

/* Notes that the source is real. Another that is noted at the same moment may be lost, and proves itself once more. */
INLINE void mark_good(const struct env *e)
{
	__u32 near = good_near(e->p), generation = control.good & 1;
	__u64 bits;
	struct good *g = good_at(e->p, &bits);

	coarse.good[near >> 6][generation] |= 1ULL << (near & 63);
	if (g)
		g->bits[generation] |= bits;
}

/* Whether a packet of the class is over the limit of an armed destination. */
INLINE int over_limit(struct pkt *p, struct arm *a, __u32 class)
{
	__u32 window = p->now >> ARM_WINDOW;

	if (expired(p, a->expires[class]))
		return 0;
	if (a->window[class] != window) {
		a->window[class] = window;
		a->spent[class] = 0;
	}
	if (*(volatile __u32 *)&a->spent[class] >= a->budget[class])
		return 1;
	ADD(&a->spent[class], 1);
	return 0;
}

/*
 * Whether a SYN is among those that are remembered. When more come than places free up, only some of the hashes have their
 * turn: one look-up less for all others, and their places would be taken anyway.
 */
INLINE int has_turn(const struct env *e)
{
	struct stats *st = e->stats;
	__u32 now = e->p->now, h = mix(control.seed, e->p->src[0] ^ e->p->src[1] ^ e->p->sport) >> 40;

	if (UNLIKELY(st->first_tick != now)) {
		st->first_shares = FIRST_SHARES;
		if (now - st->first_tick == 1 && st->first_syns > first_room)
			st->first_shares = (__u64)first_room * FIRST_SHARES / st->first_syns + 1;
		st->first_tick = now;
		st->first_syns = 0;
	}
	st->first_syns++;
	return (h + (now >> FIRST_TURN) * (FIRST_SHARES / 8)) % FIRST_SHARES < st->first_shares;
}

/*
 * Whether a SYN is the first of its tuple, and remembers it. In the same place another is not remembered until the first had
 * time to be repeated: in a flood a client may need several attempts, but one that is remembered succeeds.
 */
INLINE int first_syn(const struct env *e)
{
	struct pkt *p = e->p;
	__u32 i, *at, tag, was;
	__u64 h;
	__u8 age;

	if (!has_turn(e))
		return 1;
	h = hash_ends(control.seed, p->tenant, p->src, p->dst, (__u64)p->sport << 32 | (__u64)p->dport << 16 | p->proto);
	i = h & (RECENT - 1);
	tag = (__u32)(h >> 32) & ~0xff;
	at = map_lookup(&recent, &i);
	if (!at)
		return 0;
	was = *at;
	age = p->now - was;
	if ((was & ~0xff) == tag && age <= FIRST_KEPT)
		return age < FIRST_AGAIN;
	if (!was || age > FIRST_HELD)
		*at = tag | (p->now & 0xff);
	return 1;
}

INLINE int on(const struct pkt *p, const struct dest *d, const struct arm *a, enum step step)
{
	return d->steps & 1 << step && !expired(p, a->until[step]);
}

/*
 * Whether to let a SYN through although cookies are sent: a listening socket takes a cookie's ACK only if it has lately
 * sent one itself, as with tcp_syncookies 2 it does for every SYN. About one a second, processor, address and port.
 */
INLINE int reminds(struct stats *st, const struct pkt *p)
{
	__u16 *at = &st->reminded[mix(control.seed, p->dst[0] ^ p->dst[1] ^ p->dport) >> 40 & (REMINDERS - 1)];

	if ((__u16)((__u16)p->now - *at) < REMIND_EVERY && *at)
		return 0;
	*at = p->now;
	return 1;
}

/* Whether the processor may send another challenge in this tick. */
INLINE int may_challenge(struct stats *st, __u32 now)
{
	if (UNLIKELY(st->challenge_tick != now)) {
		st->challenge_tick = now;
		st->challenges = 0;
	}
	return st->challenges++ < control.challenges;
}

/* What filters drop the packet for, in the order of selectivity. */
INLINE __u32 filtered(const struct env *e, const struct dest *d, const struct arm *a, int good)
{
	struct pkt *p = e->p;
	__u32 what = control.zero | good * LOOK_GOOD, reason; /* the verifier need not know */

	if (on(p, d, a, STEP_FINGERPRINT) && has_fingerprint)
		what |= LOOK_PRINTS;
	if (on(p, d, a, STEP_SIGHT) && has_fingerprint)
		what |= LOOK_SIGHT;
	if (what & ~LOOK_GOOD) {
		reason = look(e->ctx, a->filter, what);
		if (reason)
			return reason;
	}
	if ((p->class == CLASS_UDP && on(p, d, a, STEP_UNASKED) && unasked(e, a->filter, good)) ||
	    (p->class == CLASS_SYNACK && on(p, d, a, STEP_SYNACK) && unasked(e, a->filter, good)))
		return REASON_UNASKED;
	return REASON_NONE;
}

/* Whether a SYN is to be dropped because nothing is known of its source: it is no repetition, or has to be answered. */
INLINE int unproved(const struct env *e, const struct dest *d, const struct arm *a)
{
	struct pkt *p = e->p;
	int first = on(p, d, a, STEP_FIRST), challenged = on(p, d, a, STEP_CHALLENGE) && has_challenge,
	    cookie = on(p, d, a, STEP_COOKIE) && has_cookie;

	if (!(first | challenged | cookie) || (first && !first_syn(e)))
		return 0;
	if (cookie && reminds(e->stats, p))
		return 0;
	if ((challenged | cookie) && may_challenge(e->stats, p->now))
		p->answer = cookie ? ANSWER_COOKIE : ANSWER_CHALLENGE;
	return 1;
}

/* Sets p->want if the packet to the armed destination i is to be dropped. */
INLINE void defend(const struct env *e, const struct dest *d, __u32 i, __u32 class)
{
	struct pkt *p = e->p;
	struct arm *a = map_lookup(&arms, &i);
	__u32 armed = d->armed & 1 << class;
	int good;

	if (!a)
		return;
	good = control.zero | known_good(e);
	if (d->steps & ~(1 << STEP_FIRST | 1 << STEP_CHALLENGE | 1 << STEP_COOKIE))
		p->want = filtered(e, d, a, good);
	if (p->want)
		return;
	if (good) {
		count(e, PATH_GOOD);
		return;
	}
	if (p->flags & TCP_RST && on(p, d, a, STEP_CHALLENGE) && has_challenge && proves(e->ctx)) {
		mark_good(e);
		p->want = REASON_PROOF;
	} else if ((p->flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK && on(p, d, a, STEP_COOKIE) && has_cookie &&
		   acknowledges(e->ctx)) {
		mark_good(e);
		count(e, PATH_PROVED);
	} else if ((class == CLASS_SYN && unproved(e, d, a)) || (armed && over_limit(p, a, class))) {
		p->want = REASON_FLOOD_SYN + class;
	}
}

/* Counts the packet and sets p->want if it is part of a flood. */
INLINE void floods(const struct env *e)
{
	struct pkt *p = e->p;
	__u32 i = 0, class = p->class & (CLASSES - 1);
	struct dest *d;

	if (UNLIKELY(control.asking))
		note_question(e->ctx);
	d = find_dest(e, &i);
	if (!d) {
		count(e, PATH_DEST_FULL);
		return;
	}
	ADD(&d->packets[class], 1);
	d->bytes += p->len;
	if (d->last != p->now)
		d->last = p->now;
	if (LIKELY(!(d->steps | (d->armed & 1 << class))) || p->exempt || !p->enforce || p->vital)
		return;
	defend(e, d, i, class);
}
