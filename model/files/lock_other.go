//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly && !windows

package files

import (
	"errors"
	"os"
)

func tryLock(*os.File) error { return errors.ErrUnsupported }
