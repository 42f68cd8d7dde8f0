package hub

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"qgo/model/files"
)

const lockEnd = ".lock" // of the name of the lock's file

// lock waits until nobody else has the lock of a model file, and takes it. The
// lock's file goes with unlock. Who waited for it meanwhile has a file that is
// no longer there, and waits anew.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	path += lockEnd
	for {
		before, errBefore := os.Lstat(path)
		free, err := files.Lock(ctx, path)
		if err != nil {
			return nil, err
		}
		after, errAfter := os.Lstat(path)
		if errBefore == nil && errAfter == nil && os.SameFile(before, after) {
			return func() {
				err := os.Remove(path)
				free()
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					_ = os.Remove(path) // Windows removes no file that is open
				}
			}, nil
		}
		free()
	}
}

// errBusy says that somebody downloads a file.
var errBusy = errors.New("another program is downloading it; end that first")

// lockNow takes a lock, and fails with errBusy where it would have to wait.
func lockNow(path string) (unlock func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	unlock, err = lock(ctx, path)
	if errors.Is(err, context.Canceled) {
		err = errBusy
	}
	return unlock, err
}
