#include "textflag.h"

// func pairAVX2(p *Pair, buf *byte, steps int) int
//
// SI, DI where the two bytes of the first place are, R8 bytes left, R9 places so far
TEXT ·pairAVX2(SB), NOSPLIT, $0-32
	MOVQ p+0(FP), DX
	MOVQ buf+8(FP), SI
	MOVQ steps+16(FP), R8
	MOVWLZX 4(DX), AX
	MOVWLZX 6(DX), BX
	LEAQ (SI)(BX*1), DI
	ADDQ AX, SI
	VPBROADCASTB 0(DX), Y0
	VPBROADCASTB 1(DX), Y1
	VPBROADCASTB 2(DX), Y2
	VPBROADCASTB 3(DX), Y3
	XORQ R9, R9

ploop:
	VPOR (SI)(R9*1), Y2, Y4
	VPOR (DI)(R9*1), Y3, Y5
	VPCMPEQB Y4, Y0, Y4
	VPCMPEQB Y5, Y1, Y5
	VPAND Y4, Y5, Y4
	VPMOVMSKB Y4, AX
	TESTL AX, AX
	JNZ  pfound
	ADDQ $32, R9
	DECQ R8
	JNZ  ploop
	VZEROUPPER
	MOVQ R9, ret+24(FP)
	RET

pfound:
	BSFL AX, AX
	ADDQ AX, R9
	VZEROUPPER
	MOVQ R9, ret+24(FP)
	RET
