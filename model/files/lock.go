package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// errLocked says that somebody else has the lock.
var errLocked = errors.New("locked")

// lockPoll is a variable for tests, which wait less.
var lockPoll = 100 * time.Millisecond

// Lock waits until no other process or goroutine holds the lock of that path,
// and takes it. The file goes with unlock.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, Explain(filepath.Dir(path), err)
	}
	for {
		file, err := Open(path)
		if err != nil {
			return nil, err
		}
		err = waitForLock(ctx, file)
		stands := false
		if err == nil {
			stands, err = standsAt(path, file)
		}
		if err == nil && stands {
			return func() {
				err := os.Remove(path)
				file.Close()
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					_ = os.Remove(path) // Windows removes no file that is open
				}
			}, nil
		}
		file.Close()
		if err != nil {
			return nil, err
		}
	}
}

// waitForLock locks an open file.
func waitForLock(ctx context.Context, file *os.File) error {
	for {
		err := tryLock(file)
		switch {
		case err == nil, errors.Is(err, errors.ErrUnsupported): // better without a lock than not at all
			return nil
		case !errors.Is(err, errLocked):
			return Explain(file.Name(), err)
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// standsAt reports whether an open file is still the one at path: the holder
// before removed its own, and another may have been made there since. Only an
// open file can be compared, for the number of one that is gone is given anew.
func standsAt(path string, file *os.File) (bool, error) {
	opened, err := file.Stat()
	if err != nil {
		return false, Explain(path, err)
	}
	at, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, Explain(path, err)
	}
	return os.SameFile(opened, at), nil
}
