// The kernels of one module. TYPE selects those for a format of weights, CEILINGS those
// that measure the GPU, TENSOR those for GPUs with units for products of matrices, FLASH,
// with HEAD and CACHE, attention by such units, and TOKEN, PLAIN_TOKEN and HEAD_TOKEN, with the same,
// what computes a token in one launch with and without them; without any they are those for
// everything else. The driver compiles a module when it is loaded, which takes a second for
// the larger ones. EMULATOR selects a part of all for the emulator.
#ifdef CEILINGS
#include "ceilings.h"
#elif defined(TENSOR)
#include "tensor.h"
#include "latency.h"
#elif defined(FLASH)
#include "flash.h"
FLASH_KERNEL(HEAD, CACHE)
#elif defined(TOKEN)
#include "token.h"
TOKEN_KERNEL(HEAD, CACHE)
#elif defined(PLAIN_TOKEN)
#include "token.h"
PLAIN_TOKEN_KERNEL(HEAD, CACHE)
#elif defined(HEAD_TOKEN)
#include "token.h"
HEAD_TOKEN_KERNEL(HEAD)
#elif defined(ROWS)
#include "rows.h"
ROWS_KERNELS(HEAD, CACHE)
#elif defined(BATCH)
#include "floats.h"
#include "stream.h"
BATCH_KERNELS(TYPE)
STREAM_KERNELS(TYPE)
#elif defined(TYPE)
#include "expand.h"
#include "matmul.h"
EXPAND_KERNEL(TYPE)
MATRIX_KERNELS(TYPE)
#elif !defined(EMULATOR) || EMULATOR == 4
#include "attention.h"
#include "top.h"
#include "vector.h"
#endif

// Parts for the emulator that take about as long to compile, but for the last one.
#if !defined(EMULATOR)
#elif EMULATOR == 1
#include "rows.h"
#include "stream.h"
#include "token.h"
HEADS_AND_CACHES(ROWS_KERNELS)
HEADS_AND_CACHES(TOKEN_KERNEL)
HEADS_AND_CACHES(PLAIN_TOKEN_KERNEL)
HEAD_TOKEN_KERNEL(64)
HEAD_TOKEN_KERNEL(128)
FORMATS(STREAM_KERNELS)
#elif EMULATOR == 2
#include "matmul.h"
FORMATS(MATRIX_KERNELS)
#elif EMULATOR == 3
#include "floats.h"
FORMATS(BATCH_KERNELS)
#elif EMULATOR == 4
#include "ceilings.h"
#include "expand.h"
#include "flash.h"
#include "tensor.h"
#include "latency.h"
FORMATS(EXPAND_KERNEL)
HEADS_AND_CACHES(FLASH_KERNEL)
#endif
