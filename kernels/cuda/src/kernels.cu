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
FORMATS(MATRIX_KERNELS)
#endif
#endif
