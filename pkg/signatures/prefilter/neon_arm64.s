#include "textflag.h"

// func gramsARM64(v *gramView, buf *byte, steps int, hits *uint32) int
//
// R0 filter, R1 buffer, R2 steps left, R3 hits, R4 hits so far, R5 offset
TEXT ·gramsARM64(SB), NOSPLIT, $0-40
	MOVD  v+0(FP), R6
	MOVD  buf+8(FP), R1
	MOVD  steps+16(FP), R2
	MOVD  hits+24(FP), R3
	MOVD  (R6), R0
	MOVWU 8(R6), R7           // shift
	MOVWU 12(R6), R8          // low
	MOVWU 16(R6), R9          // high
	MOVD  $0x20202020, R10
	MOVD  $0x9e3779b1, R11
	MOVD  $0x85ebca77, R12
	MOVD  ZR, R4
	MOVD  ZR, R5

loop:
	// two places: bytes 0..7 and 4..11
	MOVWU (R1), R13
	MOVWU 4(R1), R14
	MOVWU 8(R1), R15
	ORRW  R10, R13, R13
	ORRW  R10, R14, R14
	ORRW  R10, R15, R15
	ANDW  R8, R13, R13
	ANDW  R9, R14, R16
	ANDW  R8, R14, R14
	ANDW  R9, R15, R15
	MULW  R11, R13, R13
	MULW  R11, R14, R14
	MADDW R12, R13, R16, R13  // hash
	MADDW R12, R14, R15, R14
	LSRW  R7, R13, R16
	LSRW  R7, R14, R17
	MOVWU (R0)(R16<<2), R16
	MOVWU (R0)(R17<<2), R17
	LSRW  R13, R16, R19
	LSRW  $5, R13, R13
	LSRW  R13, R16, R16
	ANDW  R16, R19, R19
	ANDW  $1, R19, R19
	LSRW  R14, R17, R20
	LSRW  $5, R14, R14
	LSRW  R14, R17, R17
	ANDW  R17, R20, R20
	ANDW  $1, R20, R20

	// each is written, and kept when both bits are set
	MOVW  R5, (R3)(R4<<2)
	ADD   R19, R4, R4
	ADDW  $4, R5, R5
	MOVW  R5, (R3)(R4<<2)
	ADD   R20, R4, R4
	ADDW  $4, R5, R5
	ADD   $8, R1, R1
	SUBS  $1, R2, R2
	BNE   loop
	MOVD  R4, ret+32(FP)
	RET

// func shortNEON(v *shortView, buf *byte, steps int, hits *uint32) int
//
// V0..V7 are the tables of the four places, by low and high half of a byte.
TEXT ·shortNEON(SB), NOSPLIT, $0-40
	MOVD v+0(FP), R0
	MOVD buf+8(FP), R1
	MOVD steps+16(FP), R2
	MOVD hits+24(FP), R3
	ADD  $1024, R0, R0
	VLD1.P 64(R0), [V0.B16, V1.B16, V2.B16, V3.B16]
	VLD1 (R0), [V4.B16, V5.B16, V6.B16, V7.B16]
	VMOVI $15, V31.B16
	MOVD ZR, R4
	MOVD ZR, R5

sloop:
	ADD  $1, R1, R6
	ADD  $2, R1, R7
	ADD  $3, R1, R8
	VLD1 (R1), [V16.B16]
	VLD1 (R6), [V18.B16]
	VLD1 (R7), [V20.B16]
	VLD1 (R8), [V22.B16]
	VUSHR $4, V16.B16, V17.B16
	VUSHR $4, V18.B16, V19.B16
	VUSHR $4, V20.B16, V21.B16
	VUSHR $4, V22.B16, V23.B16
	VAND V31.B16, V16.B16, V16.B16
	VAND V31.B16, V18.B16, V18.B16
	VAND V31.B16, V20.B16, V20.B16
	VAND V31.B16, V22.B16, V22.B16
	VTBL V16.B16, [V0.B16], V16.B16
	VTBL V17.B16, [V1.B16], V17.B16
	VTBL V18.B16, [V2.B16], V18.B16
	VTBL V19.B16, [V3.B16], V19.B16
	VTBL V20.B16, [V4.B16], V20.B16
	VTBL V21.B16, [V5.B16], V21.B16
	VTBL V22.B16, [V6.B16], V22.B16
	VTBL V23.B16, [V7.B16], V23.B16
	VAND V16.B16, V17.B16, V16.B16
	VAND V18.B16, V19.B16, V18.B16
	VAND V20.B16, V21.B16, V20.B16
	VAND V22.B16, V23.B16, V22.B16
	VAND V16.B16, V18.B16, V16.B16
	VAND V20.B16, V22.B16, V20.B16
	VAND V16.B16, V20.B16, V16.B16
	VMOV V16.D[0], R9
	VMOV V16.D[1], R10
	ORR  R9, R10, R11
	CBZ  R11, snext
	MOVD R5, R12
	CBZ  R9, upper

lower:
	RBIT R9, R11
	CLZ  R11, R11
	LSR  $3, R11, R11          // which byte
	ADDW R11, R12, R13
	MOVW R13, (R3)(R4<<2)
	ADD  $1, R4, R4
	LSL  $3, R11, R11
	MOVD $0xff, R14
	LSL  R11, R14, R14
	BIC  R14, R9, R9
	CBNZ R9, lower

upper:
	// the second eight bytes, in the same way
	CBZ  R10, snext
	MOVD R10, R9
	MOVD ZR, R10
	ADD  $8, R12, R12
	B    lower

snext:
	ADD  $16, R1, R1
	ADD  $16, R5, R5
	SUBS $1, R2, R2
	BNE  sloop
	MOVD R4, ret+32(FP)
	RET
