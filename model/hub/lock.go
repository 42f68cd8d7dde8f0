package hub

import (
	"context"
	"errors"

	"qgo/model/files"
)

const lockEnd = ".lock" // of the name of the lock's file

// lock waits until nobody else has the lock of a model file, and takes it.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	return files.Lock(ctx, path+lockEnd)
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
