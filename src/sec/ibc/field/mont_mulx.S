/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mont_mulx.S - the x86-64 back end of mont.h: MULX with the two carry chains of ADCX and ADOX.
 *
 * Sixteen limbs do not fit the registers, eight do. So all is made of blocks of eight by eight limbs:
 *   block    T[0..15] += V[0..7] * W[0..7]
 *   rblock   the same with V = m[0..7] and each w chosen so that T's next limb becomes zero; the w take its place
 *   triangle the products a[i] a[j], i < j, of a square
 * A product is four blocks, a Montgomery reduction two rblocks and two blocks, a square two triangles and a block.
 * There is no branch but calls and no address that depends on a value.
 *
 * Registers inside a block: rdi = T, rsi = V, rbx = W (rblock: -1/m mod 2^64), rdx = the multiplier, rax and rcx = one
 * product, r8..r15 and rbp = nine limbs of the running sum. Frame: see FRAME below.
 */
#if defined(__x86_64__)

	.text

/* Frame of every entry point, from rsp: T (32 limbs), then slots. Inside a called block all is 8 octets higher. */
#define FRAME	344
#define CARRY	256	/* into a block's upper half, and out of it */
#define OUT	264
#define IN_A	272
#define IN_B	280
#define MODULUS	288
#define UP	296	/* a carry kept for limb 24 */
#define M_N0	384	/* struct modulus: n0 behind m, one and rr */

/* (a8 .. a0) += V * rdx; a8 comes in as anything and leaves as the new top limb. */
.macro	ROW a0, a1, a2, a3, a4, a5, a6, a7, a8
	xorq	\a8, \a8
	mulx	(%rsi), %rax, %rcx
	adcx	%rax, \a0
	adox	%rcx, \a1
	mulx	8(%rsi), %rax, %rcx
	adcx	%rax, \a1
	adox	%rcx, \a2
	mulx	16(%rsi), %rax, %rcx
	adcx	%rax, \a2
	adox	%rcx, \a3
	mulx	24(%rsi), %rax, %rcx
	adcx	%rax, \a3
	adox	%rcx, \a4
	mulx	32(%rsi), %rax, %rcx
	adcx	%rax, \a4
	adox	%rcx, \a5
	mulx	40(%rsi), %rax, %rcx
	adcx	%rax, \a5
	adox	%rcx, \a6
	mulx	48(%rsi), %rax, %rcx
	adcx	%rax, \a6
	adox	%rcx, \a7
	mulx	56(%rsi), %rax, %rcx
	adcx	%rax, \a7
	adox	%rcx, \a8
	adcq	$0, \a8
.endm

.macro	LOAD_SUM
	movq	(%rdi), %r8
	movq	8(%rdi), %r9
	movq	16(%rdi), %r10
	movq	24(%rdi), %r11
	movq	32(%rdi), %r12
	movq	40(%rdi), %r13
	movq	48(%rdi), %r14
	movq	56(%rdi), %r15
.endm

/* T[8..15] += the sum, which eight rows have turned to begin at rbp; the carry slot comes in and goes out. */
.macro	ADD_UPPER
	movq	8+CARRY(%rsp), %rax
	addq	$-1, %rax
	adcq	64(%rdi), %rbp
	movq	%rbp, 64(%rdi)
	adcq	72(%rdi), %r8
	movq	%r8, 72(%rdi)
	adcq	80(%rdi), %r9
	movq	%r9, 80(%rdi)
	adcq	88(%rdi), %r10
	movq	%r10, 88(%rdi)
	adcq	96(%rdi), %r11
	movq	%r11, 96(%rdi)
	adcq	104(%rdi), %r12
	movq	%r12, 104(%rdi)
	adcq	112(%rdi), %r13
	movq	%r13, 112(%rdi)
	adcq	120(%rdi), %r14
	movq	%r14, 120(%rdi)
	movl	$0, %eax
	adcq	$0, %rax
	movq	%rax, 8+CARRY(%rsp)
.endm

.macro	BLOCK_ROW i, a0, a1, a2, a3, a4, a5, a6, a7, a8
	movq	8*\i(%rbx), %rdx
	ROW	\a0, \a1, \a2, \a3, \a4, \a5, \a6, \a7, \a8
	movq	\a0, 8*\i(%rdi)
.endm

.macro	RBLOCK_ROW i, a0, a1, a2, a3, a4, a5, a6, a7, a8
	movq	\a0, %rdx
	imulq	%rbx, %rdx
	movq	%rdx, 8*\i(%rdi)
	ROW	\a0, \a1, \a2, \a3, \a4, \a5, \a6, \a7, \a8
.endm

/* The nine registers take turns; after eight rows the sum begins at rbp. */
.macro	EIGHT row
	\row	0, %r8, %r9, %r10, %r11, %r12, %r13, %r14, %r15, %rbp
	\row	1, %r9, %r10, %r11, %r12, %r13, %r14, %r15, %rbp, %r8
	\row	2, %r10, %r11, %r12, %r13, %r14, %r15, %rbp, %r8, %r9
	\row	3, %r11, %r12, %r13, %r14, %r15, %rbp, %r8, %r9, %r10
	\row	4, %r12, %r13, %r14, %r15, %rbp, %r8, %r9, %r10, %r11
	\row	5, %r13, %r14, %r15, %rbp, %r8, %r9, %r10, %r11, %r12
	\row	6, %r14, %r15, %rbp, %r8, %r9, %r10, %r11, %r12, %r13
	\row	7, %r15, %rbp, %r8, %r9, %r10, %r11, %r12, %r13, %r14
.endm

	.p2align 6
block:
	LOAD_SUM
	EIGHT	BLOCK_ROW
	ADD_UPPER
	ret

	.p2align 6
rblock:
	LOAD_SUM
	EIGHT	RBLOCK_ROW
	ADD_UPPER
	ret

/* T[0..15] = sum of a[i] a[j] 2^(64(i + j)), i < j; rsi = a. Each row is one limb shorter than the one before. */
.macro	TERM at, lo, hi
	mulx	\at(%rsi), %rax, %rcx
	adcx	%rax, \lo
	adox	%rcx, \hi
.endm

	.p2align 6
triangle:
	movq	(%rsi), %rdx
	xorl	%eax, %eax
	movq	%rax, (%rdi)
	movq	%rax, 120(%rdi)
	mulx	8(%rsi), %r8, %r9
	mulx	16(%rsi), %rax, %r10
	addq	%rax, %r9
	mulx	24(%rsi), %rax, %r11
	adcq	%rax, %r10
	mulx	32(%rsi), %rax, %r12
	adcq	%rax, %r11
	mulx	40(%rsi), %rax, %r13
	adcq	%rax, %r12
	mulx	48(%rsi), %rax, %r14
	adcq	%rax, %r13
	mulx	56(%rsi), %rax, %r15
	adcq	%rax, %r14
	adcq	$0, %r15
	movq	%r8, 8(%rdi)
	movq	%r9, 16(%rdi)

	movq	8(%rsi), %rdx
	xorq	%r8, %r8
	TERM	16, %r10, %r11
	TERM	24, %r11, %r12
	TERM	32, %r12, %r13
	TERM	40, %r13, %r14
	TERM	48, %r14, %r15
	TERM	56, %r15, %r8
	adcq	$0, %r8
	movq	%r10, 24(%rdi)
	movq	%r11, 32(%rdi)

	movq	16(%rsi), %rdx
	xorq	%r9, %r9
	TERM	24, %r12, %r13
	TERM	32, %r13, %r14
	TERM	40, %r14, %r15
	TERM	48, %r15, %r8
	TERM	56, %r8, %r9
	adcq	$0, %r9
	movq	%r12, 40(%rdi)
	movq	%r13, 48(%rdi)

	movq	24(%rsi), %rdx
	xorq	%r10, %r10
	TERM	32, %r14, %r15
	TERM	40, %r15, %r8
	TERM	48, %r8, %r9
	TERM	56, %r9, %r10
	adcq	$0, %r10
	movq	%r14, 56(%rdi)
	movq	%r15, 64(%rdi)

	movq	32(%rsi), %rdx
	xorq	%r11, %r11
	TERM	40, %r8, %r9
	TERM	48, %r9, %r10
	TERM	56, %r10, %r11
	adcq	$0, %r11
	movq	%r8, 72(%rdi)
	movq	%r9, 80(%rdi)

	movq	40(%rsi), %rdx
	xorq	%r12, %r12
	TERM	48, %r10, %r11
	TERM	56, %r11, %r12
	adcq	$0, %r12
	movq	%r10, 88(%rdi)
	movq	%r11, 96(%rdi)

	movq	48(%rsi), %rdx
	mulx	56(%rsi), %rax, %r13
	addq	%rax, %r12
	adcq	$0, %r13
	movq	%r12, 104(%rdi)
	movq	%r13, 112(%rdi)
	ret

/* ---- What the entry points are made of; %rdi is T throughout ---- */

.macro	ENTER
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	subq	$FRAME, %rsp
.endm

.macro	LEAVE
	addq	$FRAME, %rsp
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
.endm

/* T = a * b, a and b from their slots. */
.macro	PRODUCT
	pxor	%xmm0, %xmm0
	.irp	at, 0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240
	movups	%xmm0, \at(%rdi)
	.endr
	movq	$0, CARRY(%rsp)
	movq	IN_A(%rsp), %rsi
	movq	IN_B(%rsp), %rbx
	call	block
	movq	IN_A(%rsp), %rsi
	addq	$64, %rsi
	addq	$64, %rdi
	call	block
	movq	IN_A(%rsp), %rsi
	addq	$64, %rbx
	call	block
	addq	$64, %rsi
	addq	$64, %rdi
	call	block			/* the carry slot belongs to limb 24, the first of this upper half */
	subq	$128, %rdi
.endm

/* T = a * a: twice the sum of a[i] a[j], i < j, and the squares a[i]^2. */
.macro	SQUARE
	movq	IN_A(%rsp), %rsi
	call	triangle
	addq	$64, %rsi
	addq	$128, %rdi
	call	triangle
	movq	$0, CARRY(%rsp)
	leaq	-64(%rsi), %rbx
	subq	$64, %rdi
	call	block
	subq	$64, %rdi
	movq	CARRY(%rsp), %rax
	addq	%rax, 192(%rdi)
	.irp	at, 200, 208, 216, 224, 232, 240, 248
	adcq	$0, \at(%rdi)
	.endr
	leaq	-64(%rsi), %rsi
	xorl	%r8d, %r8d	/* the bit shifted out, and both carry flags clear */
	xorl	%r9d, %r9d
	.irp	i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	movq	8*\i(%rsi), %rdx
	mulx	%rdx, %rax, %rcx
	movq	16*\i(%rdi), %r10
	movq	16*\i+8(%rdi), %r11
	adoxq	%r10, %r10
	adoxq	%r11, %r11
	adcxq	%rax, %r10
	adcxq	%rcx, %r11
	movq	%r10, 16*\i(%rdi)
	movq	%r11, 16*\i+8(%rdi)
	.endr
.endm

/* out = T / R mod m. */
.macro	REDUCE
	movq	MODULUS(%rsp), %rsi
	movq	M_N0(%rsi), %rbx
	movq	$0, CARRY(%rsp)
	call	rblock			/* T[0..7] are now the multipliers w[0..7]; carry for limb 16 */
	movq	%rdi, %rbx
	addq	$64, %rdi
	addq	$64, %rsi
	call	block			/* T[8..23] += w[0..7] m[8..15]; carry for limb 24 */
	movq	CARRY(%rsp), %rax
	movq	%rax, UP(%rsp)
	movq	$0, CARRY(%rsp)
	subq	$64, %rsi
	movq	M_N0(%rsi), %rbx
	call	rblock			/* T[8..15] are w[8..15]; carry for limb 24 */
	movq	%rdi, %rbx
	addq	$64, %rdi
	addq	$64, %rsi
	movq	UP(%rsp), %rax		/* both carries for limb 24 */
	addq	%rax, 64(%rdi)
	.irp	at, 72, 80, 88, 96, 104, 112, 120
	adcq	$0, \at(%rdi)
	.endr
	movl	$0, %eax
	adcq	$0, %rax
	movq	%rax, UP(%rsp)
	call	block			/* T[16..31] += w[8..15] m[8..15] */
	movq	UP(%rsp), %rdx
	addq	CARRY(%rsp), %rdx	/* bit 1024 of T[16..31] */
	subq	$64, %rsi		/* m */
	movq	OUT(%rsp), %rbx
	/* rbx = T - m; then put T back where that borrowed */
	movq	(%rdi), %rax
	subq	(%rsi), %rax
	movq	%rax, (%rbx)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rdi), %rax
	sbbq	\at(%rsi), %rax
	movq	%rax, \at(%rbx)
	.endr
	sbbq	$0, %rdx		/* CF: T < m */
	.irp	at, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rbx), %rax
	cmovcq	\at(%rdi), %rax
	movq	%rax, \at(%rbx)
	.endr
.endm

.macro	FUNCTION name
	.p2align 6
	.globl	\name
	.hidden	\name
	.type	\name, @function
\name:
.endm

/* void mulx_mul(struct num *r, const struct num *a, const struct num *b, const struct modulus *m) */
	FUNCTION mulx_mul
	ENTER
	movq	%rdi, OUT(%rsp)
	movq	%rsi, IN_A(%rsp)
	movq	%rdx, IN_B(%rsp)
	movq	%rcx, MODULUS(%rsp)
	movq	%rsp, %rdi
	PRODUCT
	REDUCE
	LEAVE
	.size	mulx_mul, .-mulx_mul

/* void mulx_sqr(struct num *r, const struct num *a, const struct modulus *m) */
	FUNCTION mulx_sqr
	ENTER
	movq	%rdi, OUT(%rsp)
	movq	%rsi, IN_A(%rsp)
	movq	%rdx, MODULUS(%rsp)
	movq	%rsp, %rdi
	SQUARE
	REDUCE
	LEAVE
	.size	mulx_sqr, .-mulx_sqr

/* void mulx_mul_wide(struct wide *r, const struct num *a, const struct num *b) */
	FUNCTION mulx_mul_wide
	ENTER
	movq	%rsi, IN_A(%rsp)
	movq	%rdx, IN_B(%rsp)
	PRODUCT
	LEAVE
	.size	mulx_mul_wide, .-mulx_mul_wide

/* void mulx_redc(struct num *r, const struct wide *t, const struct modulus *m) */
	FUNCTION mulx_redc
	ENTER
	movq	%rdi, OUT(%rsp)
	movq	%rdx, MODULUS(%rsp)
	movq	%rsp, %rdi
	.irp	at, 0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240
	movups	\at(%rsi), %xmm0
	movups	%xmm0, \at(%rdi)
	.endr
	REDUCE
	LEAVE
	.size	mulx_redc, .-mulx_redc

/*
 * void mulx_add(struct num *r, const struct num *a, const struct num *b, const struct modulus *m): the sum to the
 * stack, the sum less m to r, then the sum back where that borrowed.
 */
	FUNCTION mulx_add
	subq	$128, %rsp
	movq	(%rsi), %rax
	addq	(%rdx), %rax
	movq	%rax, (%rsp)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsi), %rax
	adcq	\at(%rdx), %rax
	movq	%rax, \at(%rsp)
	.endr
	movl	$0, %r8d
	adcq	$0, %r8
	movq	(%rsp), %rax
	subq	(%rcx), %rax
	movq	%rax, (%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsp), %rax
	sbbq	\at(%rcx), %rax
	movq	%rax, \at(%rdi)
	.endr
	sbbq	$0, %r8
	.irp	at, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rdi), %rax
	cmovcq	\at(%rsp), %rax
	movq	%rax, \at(%rdi)
	.endr
	addq	$128, %rsp
	ret
	.size	mulx_add, .-mulx_add

/* void mulx_sub(...), likewise: the difference, then m under a mask of the borrow added. */
	FUNCTION mulx_sub
	subq	$128, %rsp
	movq	(%rsi), %rax
	subq	(%rdx), %rax
	movq	%rax, (%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsi), %rax
	sbbq	\at(%rdx), %rax
	movq	%rax, \at(%rdi)
	.endr
	sbbq	%rax, %rax
	movq	%rax, %xmm0
	punpcklqdq %xmm0, %xmm0
	.irp	at, 0, 16, 32, 48, 64, 80, 96, 112
	movups	\at(%rcx), %xmm1
	pand	%xmm0, %xmm1
	movups	%xmm1, \at(%rsp)
	.endr
	movq	(%rsp), %rax
	addq	%rax, (%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsp), %rax
	adcq	%rax, \at(%rdi)
	.endr
	addq	$128, %rsp
	ret
	.size	mulx_sub, .-mulx_sub

#endif
	.section .note.GNU-stack, "", @progbits
