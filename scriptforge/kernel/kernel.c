/* The kernel, which `library.py` loads: what generation and training compute in C.

It knows numbers only: no Python, no files. Callers have checked all sizes; the indices of table rows are
checked here. It is one translation unit, so that its parts can be inlined into each other, and is compiled once
for each kind of processor (`hatch_build.py`); the variants differ in the width of a vector and in one operation,
`dot`.

A matrix is packed into panels of PANEL neighbouring outputs, whose weights lie together input by input, so
that a step reads memory from front to back. Every sum is computed in the order of its inputs, whatever is
computed beside it: a row's results never depend on the rows that are read with it.

Shape letters: B rows, T steps, L layers, H hidden, K inputs, M outputs; a panel is P outputs wide. */

#include "platform.h"   /* processors, vectors of numbers, functions of vectors, threads */
#include "matrices.h"   /* packed matrices, and their products with rows */
#include "recurrent.c"  /* recurrent networks, read token by token */
#include "orthogonal.c" /* orthogonal matrices, for the optimizer */
#include "scores.c"     /* drawing from scores, and changes to the scores of some tokens */
#include "repetition.c" /* what was said lately, and penalties for saying it again */
#include "masks.c"      /* which tokens may come next: extensions of words, and automata */
