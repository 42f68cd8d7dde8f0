// Package kernels is qgo's compute on CPUs: it links the kernels for all
// instruction sets, which register their tiers (see package tier), and has the
// pool of workers that runs them.
package kernels

import (
	_ "qgo/kernels/amx"
	_ "qgo/kernels/avx2"
	_ "qgo/kernels/avx512"
	_ "qgo/kernels/neon"
)
