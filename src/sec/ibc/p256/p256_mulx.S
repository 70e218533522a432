/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p256_mulx.S - void mulx_p256_mul(uint64_t r[4], const uint64_t a[4], const uint64_t b[4]): a b / 2^256 modulo the
 * prime of P-256, for a, b below it; the x86-64 form of mul_p in p256_field.h.
 *
 * First the product, r8 .. r15. Then its lower half is folded away limb by limb: adding w p, where w is the lowest
 * limb, leaves one limb down w 2^32 + w 2^128 (2^64 - 2^32 + 1); four such steps make a number not above p, to which
 * the upper half is added. One masked subtraction of p ends it. No branch depends on a value.
 */
#if defined(__x86_64__)

	.text

.macro	TERM at, lo, hi
	mulx	\at(%rsi), %rax, %rcx
	adcx	%rax, \lo
	adox	%rcx, \hi
.endm

/* r9.. += a * rdx, one limb up each time; the last register comes in as anything. */
.macro	ROW b, r0, r1, r2, r3, r4
	movq	\b(%rbx), %rdx
	xorq	\r4, \r4
	TERM	0, \r0, \r1
	TERM	8, \r1, \r2
	TERM	16, \r2, \r3
	TERM	24, \r3, \r4
	adcq	$0, \r4
.endm

.macro	FOLD x0, x1, x2, x3
	movq	\x0, %rdx
	mulx	%rsi, %rax, %rcx
	movq	\x0, %rbp
	shlq	$32, \x0
	shrq	$32, %rbp
	addq	\x0, \x1
	adcq	%rbp, \x2
	adcq	%rax, \x3
	adcq	$0, %rcx
	movq	%rcx, \x0
.endm

	.p2align 6
	.globl	mulx_p256_mul
	.hidden	mulx_p256_mul
	.type	mulx_p256_mul, @function
mulx_p256_mul:
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rdx, %rbx
	movq	(%rbx), %rdx
	mulx	(%rsi), %r8, %r9
	mulx	8(%rsi), %rax, %r10
	addq	%rax, %r9
	mulx	16(%rsi), %rax, %r11
	adcq	%rax, %r10
	mulx	24(%rsi), %rax, %r12
	adcq	%rax, %r11
	adcq	$0, %r12
	ROW	8, %r9, %r10, %r11, %r12, %r13
	ROW	16, %r10, %r11, %r12, %r13, %r14
	ROW	24, %r11, %r12, %r13, %r14, %r15

	movabsq	$0xffffffff00000001, %rsi
	FOLD	%r8, %r9, %r10, %r11
	FOLD	%r9, %r10, %r11, %r8
	FOLD	%r10, %r11, %r8, %r9
	FOLD	%r11, %r8, %r9, %r10

	xorl	%eax, %eax
	addq	%r12, %r8
	adcq	%r13, %r9
	adcq	%r14, %r10
	adcq	%r15, %r11
	adcq	$0, %rax
	movq	%r8, %r12
	movq	%r9, %r13
	movq	%r10, %r14
	movq	%r11, %r15
	movl	$0xffffffff, %ecx
	subq	$-1, %r8
	sbbq	%rcx, %r9
	sbbq	$0, %r10
	sbbq	%rsi, %r11
	sbbq	$0, %rax
	cmovcq	%r12, %r8
	cmovcq	%r13, %r9
	cmovcq	%r14, %r10
	cmovcq	%r15, %r11
	movq	%r8, (%rdi)
	movq	%r9, 8(%rdi)
	movq	%r10, 16(%rdi)
	movq	%r11, 24(%rdi)
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.size	mulx_p256_mul, .-mulx_p256_mul

#endif
	.section .note.GNU-stack, "", @progbits
