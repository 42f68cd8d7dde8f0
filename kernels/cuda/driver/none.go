//go:build !cuda

package driver

import "errors"

// ErrNone says why there are no GPUs.
var ErrNone = errors.New("this is a build without CUDA (go build -tags cuda)")

// Devices lists the GPUs. Without any, the error says why.
func Devices() ([]Info, error) { return nil, ErrNone }

// Open makes a GPU ready for work by the calling thread.
func Open(int) (Context, error) { return nil, ErrNone }
