//go:build cuda && linux && (amd64 || arm64)

// Package header makes a build without cuda.h say what to do. It imports
// nothing, so it is compiled although gorgonia.org/cu, which needs the header
// too, is not.
package header

// #cgo CFLAGS: -I/usr/local/cuda/include
//
// #ifdef __has_include
// #if !__has_include(<cuda.h>)
// #error "cuda.h is missing: install the headers of CUDA 10.2 to 11.8 in /usr/local/cuda, or set CGO_CFLAGS=-IFOLDER if they are elsewhere"
// #endif
// #endif
import "C"
