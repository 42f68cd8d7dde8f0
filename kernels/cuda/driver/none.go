//go:build !cuda

package driver

import (
	"errors"

	"qgo/kernels/plan"
)

// ErrNone says why there are no GPUs.
var ErrNone = errors.New("this is a build without CUDA (go build -tags cuda)")

// Built reports whether this build can use GPUs.
const Built = false

// Version is that of the driver's interface.
func Version() (string, error) { return "", ErrNone }

// Devices lists the GPUs. Without any, the error says why.
func Devices() ([]plan.DeviceInfo, error) { return nil, ErrNone }

// Open makes a GPU ready for work.
func Open(int) (Context, error) { return nil, ErrNone }
