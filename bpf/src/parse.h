/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/*
 * From bytes to struct pkt. Offsets are checked against MAX_OFF before each use, which is what lets the verifier bound
 * them. Nothing here drops: what is wrong is noted in p->bad.
 */
#include "packet.h"

#define MAX_OFF 0x7ff
#define MAX_EXTENSIONS 6

/* The mask changes nothing, callers having checked; it tells the verifier what the optimiser may have hidden from it. */
INLINE void *at(struct xdp_md *ctx, __u32 off)
{
	HIDE(off);
	return (void *)(long)ctx->data + (off & 0xfff);
}

#define FITS(ctx, ptr, size) ((void *)(ptr) + (size) <= (void *)(long)(ctx)->data_end)

/* Returns the offset behind the Ethernet header and at most two VLAN tags at off; 0: cut short. */
INLINE __u32 parse_eth(struct xdp_md *ctx, __u32 off, __u16 *type)
{
	struct ethhdr *eth = at(ctx, off);
	struct vlanhdr *tag;
	__u16 proto;

	if (!FITS(ctx, eth, sizeof(*eth)))
		return 0;
	proto = ntohs(eth->proto);
	off += sizeof(*eth);
	UNROLL
	for (int i = 0; i < 2; i++) {
		if (proto != ETH_VLAN && proto != ETH_QINQ)
			break;
		tag = at(ctx, off);
		if (!FITS(ctx, tag, sizeof(*tag)))
			return 0;
		proto = ntohs(tag->proto);
		off += sizeof(*tag);
	}
	*type = proto;
	return off;
}

#define EXT_BAD (1u << 31)
#define EXT_FRAG(r) (((r) >> 24) & 3)
#define EXT_PROTO(r) (((r) >> 16) & 0xff)
#define EXT_OFF(r) ((r)&0xffff)

/*
 * Walks IPv6 extension headers (RFC 8200 §4) from off; returns EXT_BAD, or fragment << 24 | protocol << 16 | offset of
 * what follows. A function of its own so that the verifier looks at the loop once.
 */
NOINLINE __u32 ip6_extensions(struct xdp_md *ctx, __u32 off, __u32 proto)
{
	__u32 frag = FRAG_NONE;

	for (int i = 0; i <= MAX_EXTENSIONS; i++) {
		__u8 *h;

		switch (proto) {
		case PROTO_HOPOPTS:
		case PROTO_ROUTING:
		case PROTO_DSTOPTS:
		case PROTO_MOBILITY:
		case PROTO_AH:
		case PROTO_FRAGMENT:
			break;
		default:
			return frag << 24 | (proto & 0xff) << 16 | (off & 0xffff);
		}
		if (i == MAX_EXTENSIONS || off > MAX_OFF)
			return EXT_BAD;
		h = at(ctx, off);
		if (!FITS(ctx, h, 8))
			return EXT_BAD;
		if (proto == PROTO_FRAGMENT) {
			__u32 field = (__u32)h[2] << 8 | h[3];

			if (field >> 3) /* the rest is in the middle of something: no header to read */
				return FRAG_LATER << 24 | (__u32)h[0] << 16 | (off & 0xffff);
			if (field & 1)
				frag = FRAG_FIRST;
			proto = h[0];
			off += 8;
		} else if (proto == PROTO_AH) {
			proto = h[0];
			off += ((__u32)h[1] + 2) * 4;
		} else {
			proto = h[0];
			off += ((__u32)h[1] + 1) * 8;
		}
	}
	return EXT_BAD;
}

/* In words: what is stored by halves a processor cannot load whole without a wait. */
INLINE void copy16(__u64 to[2], const void *from)
{
	const __u64 *words = from;

	to[0] = words[0];
	to[1] = words[1];
}

INLINE void mapped(__u64 to[2], __be32 ip4)
{
	to[0] = 0;
	to[1] = (__u64)ip4 << 32 | 0xffff0000; /* ::ffff:a.b.c.d as it lies in memory, little-endian */
}

/* Reads the IP header at off into p. Returns the offset of the transport header and, in *left, how many bytes it has. */
INLINE __u32 parse_ip4(const struct env *e, __u32 off, __u32 *left)
{
	struct xdp_md *ctx = e->ctx;
	struct pkt *p = e->p;
	struct iphdr *ip = at(ctx, off);
	__u32 hlen, total, frag;

	if (!FITS(ctx, ip, sizeof(*ip)))
		goto bad;
	hlen = (ip->vihl & 15) * 4;
	total = ntohs(ip->len);
	if (ip->vihl >> 4 != 4 || hlen < sizeof(*ip) || total < hlen || off + total > p->len)
		goto bad;
	mapped(p->src, ip->src);
	mapped(p->dst, ip->dst);
	p->version = 4;
	p->proto = ip->proto;
	if (UNLIKELY(ip->frag & htons(0x3fff))) {
		frag = ntohs(ip->frag) & 0x1fff;
		p->frag = frag ? FRAG_LATER : FRAG_FIRST;
		if (frag == 1) /* overwrites the flags of a TCP header: RFC 3128 */
			p->bad = REASON_FRAGMENT;
	}
	*left = total - hlen;
	return off + hlen;
bad:
	p->bad = REASON_BAD_IP;
	return 0;
}

INLINE __u32 parse_ip6(const struct env *e, __u32 off, __u32 *left)
{
	struct xdp_md *ctx = e->ctx;
	struct pkt *p = e->p;
	struct ip6hdr *ip = at(ctx, off);
	__u32 end, ext, l4;

	if (!FITS(ctx, ip, sizeof(*ip)))
		goto bad;
	end = off + sizeof(*ip) + ntohs(ip->len);
	if (ntohl(ip->vtf) >> 28 != 6 || end > p->len)
		goto bad;
	copy16(p->src, ip->src);
	copy16(p->dst, ip->dst);
	p->version = 6;
	p->proto = ip->next;
	l4 = off + sizeof(*ip);
	if (UNLIKELY(ip->next != PROTO_TCP && ip->next != PROTO_UDP)) {
		ext = ip6_extensions(ctx, l4, ip->next);
		l4 = EXT_OFF(ext);
		if (ext & EXT_BAD || l4 > end) {
			p->proto = PROTO_NONE;
			p->bad = REASON_EXTENSIONS;
			return 0;
		}
		p->frag = EXT_FRAG(ext);
		p->proto = EXT_PROTO(ext);
	}
	*left = end - l4;
	return l4;
bad:
	p->bad = REASON_BAD_IP;
	return 0;
}
