package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// errLocked says that somebody else has the lock.
var errLocked = errors.New("locked")

const lockPoll = 100 * time.Millisecond

// Lock waits until no other process or goroutine holds the lock of that path,
// and takes it. The file stays: to remove it would let two in.
func Lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, Explain(filepath.Dir(path), err)
	}
	file, err := Open(path)
	if err != nil {
		return nil, err
	}
	for {
		err := tryLock(file)
		switch {
		case err == nil, errors.Is(err, errors.ErrUnsupported): // better without a lock than not at all
			return func() { file.Close() }, nil
		case !errors.Is(err, errLocked):
			file.Close()
			return nil, Explain(path, err)
		}
		select {
		case <-time.After(lockPoll):
		case <-ctx.Done():
			file.Close()
			return nil, ctx.Err()
		}
	}
}
