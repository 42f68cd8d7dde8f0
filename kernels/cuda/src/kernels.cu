// The kernels of one module. TYPE selects those for a format of weights,
// CEILINGS those that measure the GPU; without either they are those for
// everything else. The emulator wants all.
#ifdef CEILINGS
#include "ceilings.h"
#elif defined(TYPE)
#include "matmul.h"
MATRIX_KERNELS(TYPE)
#else
#include "attention.h"
#include "vector.h"
#ifdef EMULATOR
#include "ceilings.h"
#include "matmul.h"
MATRIX_KERNELS(F32)
MATRIX_KERNELS(F16)
MATRIX_KERNELS(BF16)
MATRIX_KERNELS(Q4_0)
MATRIX_KERNELS(Q4_1)
MATRIX_KERNELS(Q5_0)
MATRIX_KERNELS(Q5_1)
MATRIX_KERNELS(Q8_0)
MATRIX_KERNELS(Q2_K)
MATRIX_KERNELS(Q3_K)
MATRIX_KERNELS(Q4_K)
MATRIX_KERNELS(Q5_K)
MATRIX_KERNELS(Q6_K)
MATRIX_KERNELS(IQ4_NL)
#endif
#endif
