#include "textflag.h"

// func gramsScalar(v *gramView, buf *byte, steps int, hits *uint32) int
TEXT ·gramsScalar(SB), NOSPLIT, $0-40
	MOVQ v+0(FP), DX
	MOVQ buf+8(FP), SI
	MOVQ steps+16(FP), R9
	MOVQ hits+24(FP), DI
	MOVQ (DX), AX
	MOVL 8(DX), CX
	MOVL 12(DX), R12
	MOVL 16(DX), R13
	XORQ R10, R10
	XORQ R11, R11

loop:
	MOVL  (SI)(R11*1), BX
	MOVL  4(SI)(R11*1), DX
	ORL   $0x20202020, BX
	ORL   $0x20202020, DX
	ANDL  R12, BX
	ANDL  R13, DX
	IMULL $0x9e3779b1, BX
	IMULL $0x85ebca77, DX
	ADDL  DX, BX              // hash
	MOVL  BX, DX
	SHRL  CX, DX
	MOVL  (AX)(DX*4), DX
	MOVL  R11, (DI)(R10*4)    // kept when both bits are set
	XORL  R8, R8
	BTL   BX, DX
	SETCS R8
	SHRL  $5, BX
	BTL   BX, DX
	SBBL  DX, DX
	ANDL  DX, R8
	ADDQ  R8, R10
	ADDQ  $4, R11
	DECQ  R9
	JNZ   loop
	MOVQ  R10, ret+32(FP)
	RET

// func shortScalar(v *shortView, buf *byte, steps int, hits *uint32) int
TEXT ·shortScalar(SB), NOSPLIT, $0-40
	MOVQ v+0(FP), DX
	MOVQ buf+8(FP), SI
	MOVQ steps+16(FP), R9
	MOVQ hits+24(FP), DI
	ADDQ $1152, DX            // words
	XORQ R10, R10
	XORQ R11, R11

	// the first three bytes
	MOVL    $-1, AX
	MOVBLZX 0(SI), BX
	SHLL    $8, AX
	ORL     (DX)(BX*4), AX
	MOVBLZX 1(SI), BX
	SHLL    $8, AX
	ORL     (DX)(BX*4), AX
	MOVBLZX 2(SI), BX
	SHLL    $8, AX
	ORL     (DX)(BX*4), AX

sloop:
	MOVBLZX 3(SI)(R11*1), BX
	SHLL    $8, AX
	ORL     (DX)(BX*4), AX
	CMPL    AX, $0xff000000
	JCC     snext
	MOVL    R11, (DI)(R10*4)
	INCQ    R10

snext:
	INCQ R11
	CMPQ R11, R9
	JLT  sloop
	MOVQ R10, ret+32(FP)
	RET
