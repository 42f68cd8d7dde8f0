//go:build !unix && !windows

package gguf

import (
	"errors"
	"os"
)

var errNoRoom = errors.New("no room") // is never returned

func mapFile(*os.File, int) ([]byte, func() error, error) {
	return nil, nil, errors.ErrUnsupported
}

func dropPages([]byte) {}
