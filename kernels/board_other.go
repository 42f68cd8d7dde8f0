//go:build !unix && !windows

package kernels

import "errors"

func sharedMemory(string, int) ([]byte, error) { return nil, errors.ErrUnsupported }
