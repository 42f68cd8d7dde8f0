package files

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

// ErrLocked says that somebody else has the lock.
var ErrLocked = errors.New("somebody else has the lock")

// lockPoll is a variable for tests, which wait less.
var lockPoll = 100 * time.Millisecond

// Lock waits until no other process or goroutine holds the lock of that path,
// and takes it. The lock's file goes with unlock. It fails if the file cannot
// be made, and with the context's error once that has ended.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	return take(path, func() error {
		select {
		case <-time.After(lockPoll):
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

// TryLock is [Lock] without waiting: it fails with [ErrLocked] where that would
// have to.
func TryLock(path string) (unlock func(), err error) {
	return take(path, func() error { return ErrLocked })
}

// take takes a lock. While somebody else has it, wait says when to try again.
func take(path string, wait func() error) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, Explain(filepath.Dir(path), err)
	}
	for {
		file, err := Open(path)
		if err != nil {
			return nil, err
		}
		for err = tryLock(file); errors.Is(err, ErrLocked); err = tryLock(file) {
			if err := wait(); err != nil {
				file.Close()
				return nil, err
			}
		}
		stands := false
		if err == nil || errors.Is(err, errors.ErrUnsupported) { // better without a lock than not at all
			stands, err = standsAt(path, file)
		}
		if stands {
			return func() { release(path, file) }, nil
		}
		file.Close()
		if err != nil {
			return nil, Explain(path, err)
		}
	}
}

// release removes a lock's file before it lets the lock go: after that it may be
// another's.
func release(path string, file *os.File) {
	err := os.Remove(path)
	file.Close()
	if err != nil && runtime.GOOS == "windows" {
		_ = os.Remove(path) // there no file is removed that is open, to another holder either
	}
}

// standsAt reports whether an open file is still the one at path: the holder
// before removed its own, and another may have been made there since. Only an
// open file can be compared, for the number of one that is gone is given anew.
func standsAt(path string, file *os.File) (bool, error) {
	opened, err := file.Stat()
	if err != nil {
		return false, err
	}
	at, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(opened, at), nil
}
