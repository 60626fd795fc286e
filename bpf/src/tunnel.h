/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

/* The way from a tunnel's frame to the packet inside: GENEVE (RFC 8926), VXLAN (RFC 7348), VXLAN within GENEVE. */
#include "transport.h"

#define PORT_GENEVE 6081
#define PORT_VXLAN 4789

#define OPT_CLASS_AWS 0x0108
#define OPT_ENDPOINT 1 /* with OPT_CLASS_AWS: GWLB endpoint id, 8 bytes */

/*
 * The GWLB endpoint id among the options in words 4-byte words at off; 0 if there is none. AWS puts it first, others
 * need not. A function of its own so that the verifier looks at the loop once.
 */
NOINLINE __u64 geneve_endpoint(struct xdp_md *ctx, __u32 off, __u32 words)
{
	__u32 end = off + words * 4;

	for (int i = 0; i < 64; i++) {
		struct geneveopt *opt;
		__u32 len;

		if (off > MAX_OFF || off >= end)
			return 0;
		opt = at(ctx, off);
		if (!FITS(ctx, opt, sizeof(*opt)))
			return 0;
		len = (opt->len & 31) * 4;
		if (opt->class == htons(OPT_CLASS_AWS) && opt->type == OPT_ENDPOINT && len == 8) {
			__be32 *id = (void *)(opt + 1);

			if (!FITS(ctx, id, 8))
				return 0;
			return (__u64)ntohl(id[0]) << 32 | ntohl(id[1]);
		}
		off += sizeof(*opt) + len;
	}
	return 0;
}

/* UDP in IP at off, without extension headers or fragments: returns the offset of its payload and the port; else 0. */
INLINE __u32 parse_carrier(struct xdp_md *ctx, __u32 off, __u16 type, __u16 *port)
{
	struct udphdr *udp;

	if (type == ETH_IP) {
		struct iphdr *ip = at(ctx, off);

		if (!FITS(ctx, ip, sizeof(*ip)) || ip->proto != PROTO_UDP || ntohs(ip->frag) & 0x3fff ||
		    (ip->vihl & 15) < 5)
			return 0;
		off += (ip->vihl & 15) * 4;
	} else if (type == ETH_IP6) {
		struct ip6hdr *ip = at(ctx, off);

		if (!FITS(ctx, ip, sizeof(*ip)) || ip->next != PROTO_UDP)
			return 0;
		off += sizeof(*ip);
	} else {
		return 0;
	}
	if (off > MAX_OFF)
		return 0;
	udp = at(ctx, off);
	if (!FITS(ctx, udp, sizeof(*udp)))
		return 0;
	*port = ntohs(udp->dport);
	return off + sizeof(*udp);
}

/* Opens the GENEVE header at off: returns the offset of what it carries and its ethertype; 0 if it is not for us. */
INLINE __u32 open_geneve(struct xdp_md *ctx, struct pkt *p, __u32 off, __u16 *type)
{
	struct genevehdr *g = at(ctx, off);
	__u32 words;

	if (!FITS(ctx, g, sizeof(*g)) || g->veropt >> 6)
		return 0;
	words = g->veropt & 63;
	*type = ntohs(g->proto);
	p->tenant = ntohl(g->vni) >> 8;
	off += sizeof(*g);
	if (words) {
		__u64 endpoint = geneve_endpoint(ctx, off, words);

		if (endpoint)
			p->tenant = endpoint;
	}
	off += words * 4;
	if (off >= p->len)
		return 0;
	if (*type == ETH_BRIDGED)
		return parse_eth(ctx, off, type);
	return off;
}

INLINE __u32 open_vxlan(struct xdp_md *ctx, struct pkt *p, __u32 off, __u16 *type)
{
	struct vxlanhdr *v = at(ctx, off);

	if (off > MAX_OFF || !FITS(ctx, v, sizeof(*v)))
		return 0;
	p->tenant = ntohl(v->vni) >> 8;
	return parse_eth(ctx, off + sizeof(*v), type);
}

enum frame { FRAME_OTHER, FRAME_JUDGE, FRAME_CARRY }; /* CARRY: in our tunnel, but nothing we can judge */

/* Finds the packet to judge in the frame. */
INLINE enum frame parse_frame(const struct env *e)
{
	struct xdp_md *ctx = e->ctx;
	struct pkt *p = e->p;
	__u16 type = 0, port = 0;
	__u32 off = parse_eth(ctx, 0, &type), at;

	if (!off)
		return FRAME_OTHER;
	if (mode == MODE_GWLB)
		p->outer = off;
	if (mode == MODE_HOST || mode == MODE_BRIDGE)
		return parse_packet(e, off, type) ? FRAME_JUDGE : FRAME_OTHER;

	off = parse_carrier(ctx, off, type, &port);
	if (!off)
		return FRAME_OTHER;
	if (port == PORT_GENEVE) {
		off = open_geneve(ctx, p, off, &type);
		if (!off)
			return FRAME_OTHER;
		if (mode == MODE_MIRROR) { /* a mirror session behind a GWLB endpoint */
			at = parse_carrier(ctx, off, type, &port);
			if (at && port == PORT_VXLAN)
				off = open_vxlan(ctx, p, at, &type);
		}
	} else if (port == PORT_VXLAN && mode == MODE_MIRROR) {
		off = open_vxlan(ctx, p, off, &type);
	} else {
		return FRAME_OTHER;
	}
	if (!off || off > MAX_OFF)
		return FRAME_CARRY;
	return parse_packet(e, off, type) ? FRAME_JUDGE : FRAME_CARRY;
}
