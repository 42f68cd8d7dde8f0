package files

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestLock wants one holder at a time of a lock whose file goes with each: so
// often that file systems give the number of a file that is gone to a new one.
func TestLock(t *testing.T) {
	defer func(poll time.Duration) { lockPoll = poll }(lockPoll)
	lockPoll = 20 * time.Microsecond
	path := filepath.Join(t.TempDir(), "new", "x.lock")
	var wg sync.WaitGroup
	var holders atomic.Int32 // the race detector does not know of locks on files
	for range 8 {
		wg.Go(func() {
			for range 500 {
				unlock, err := Lock(t.Context(), path)
				if err != nil {
					t.Error(err)
					return
				}
				n := holders.Add(1)
				time.Sleep(20 * time.Microsecond)
				holders.Add(-1)
				unlock()
				if n != 1 {
					t.Errorf("%d hold the lock", n)
					return
				}
			}
		})
	}
	wg.Wait()
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 0 {
		t.Errorf("left behind: %v, %v", list, err)
	}
	unlock, err := Lock(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a lock that stays: %v", err)
	}
	if _, err := TryLock(path); !errors.Is(err, ErrLocked) {
		t.Errorf("a lock that somebody has: %v", err)
	}
	unlock()
	if unlock, err = TryLock(path); err != nil {
		t.Fatal(err)
	}
	unlock()
}
