/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wide_mulx.S - sums and differences of products before their reduction, modulo m * 2^1024:
 *
 *     void mulx_wide_add(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m)
 *     void mulx_wide_sub(struct wide *r, const struct wide *a, const struct wide *b, const struct modulus *m)
 *
 * Operands and results are below m * 2^1024, that is their upper sixteen limbs are below m. r may be a or b.
 * No branch and no address depends on a value. rdi = r, rsi = a, rdx = b, rcx = m.
 */
#if defined(__x86_64__)

	.text
	.p2align 6
	.globl	mulx_wide_add
	.hidden	mulx_wide_add
	.type	mulx_wide_add, @function
mulx_wide_add:				/* the upper half less m to the stack, and to r unless that borrowed */
	subq	$128, %rsp
	movq	(%rsi), %rax
	addq	(%rdx), %rax
	movq	%rax, (%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248
	movq	\at(%rsi), %rax
	adcq	\at(%rdx), %rax
	movq	%rax, \at(%rdi)
	.endr
	movl	$0, %r8d
	adcq	$0, %r8			/* bit 2048 of the sum */
	movq	128(%rdi), %rax
	subq	(%rcx), %rax
	movq	%rax, (%rsp)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	128+\at(%rdi), %rax
	sbbq	\at(%rcx), %rax
	movq	%rax, \at(%rsp)
	.endr
	sbbq	$0, %r8			/* CF: the upper half was below m */
	.irp	at, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsp), %rax
	cmovcq	128+\at(%rdi), %rax
	movq	%rax, 128+\at(%rdi)
	.endr
	addq	$128, %rsp
	ret
	.size	mulx_wide_add, .-mulx_wide_add

	.p2align 6
	.globl	mulx_wide_sub
	.hidden	mulx_wide_sub
	.type	mulx_wide_sub, @function
mulx_wide_sub:				/* m under a mask of the borrow is added to the upper half */
	subq	$128, %rsp
	movq	(%rsi), %rax
	subq	(%rdx), %rax
	movq	%rax, (%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120, 128, 136, 144, 152, 160, 168, 176, 184, 192, 200, 208, 216, 224, 232, 240, 248
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
	addq	%rax, 128(%rdi)
	.irp	at, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq	\at(%rsp), %rax
	adcq	%rax, 128+\at(%rdi)
	.endr
	addq	$128, %rsp
	ret
	.size	mulx_wide_sub, .-mulx_wide_sub

#endif
	.section .note.GNU-stack, "", @progbits
