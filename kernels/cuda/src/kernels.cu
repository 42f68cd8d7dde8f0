// The kernels of one module. TYPE selects those for a format of weights, CEILINGS those
// that measure the GPU, TENSOR those for GPUs with units for products of matrices, TOKEN
// those that compute a token in one launch;
// without any they are those for everything else. The emulator wants all.
#ifdef CEILINGS
#include "ceilings.h"
#elif defined(TENSOR)
#include "flash.h"
FORMATS(EXPAND_KERNEL)
#elif defined(TOKEN)
#include "token.h"
#elif defined(TYPE)
#include "matmul.h"
MATRIX_KERNELS(TYPE)
#else
#include "attention.h"
#include "vector.h"
#ifdef EMULATOR
#include "ceilings.h"
#include "flash.h"
#include "token.h"
FORMATS(EXPAND_KERNEL)
FORMATS(MATRIX_KERNELS)
#endif
#endif
