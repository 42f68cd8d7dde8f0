package cuda

import (
	"cmp"
	"errors"
	"fmt"
	"sync"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// fakeContext is a GPU that can be opened and closed.
type fakeContext struct {
	driver.Context
	major  int // of its capability, 5 if it is 0
	within int // threads that have entered it
	closed bool
}

func (c *fakeContext) Enter() error {
	c.within++
	return nil
}

func (c *fakeContext) Leave() error {
	c.within--
	return nil
}

func (c *fakeContext) Info() plan.DeviceInfo {
	return plan.DeviceInfo{Major: cmp.Or(c.major, 5), Minor: 3}
}

func (c *fakeContext) Load(string) (driver.Module, error) { return fakeModule{}, nil }

func (c *fakeContext) Close() error {
	c.closed = true
	return nil
}

type fakeModule struct{}

func (fakeModule) Function(string) (driver.Function, error) { return nil, nil }

// TestOpenFails opens a GPU that refuses.
func TestOpenFails(t *testing.T) {
	refused := errors.New("refused")
	if _, err := OpenContext(func() (driver.Context, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("an error became %v", err)
	}
	ctx := &fakeContext{major: 3}
	if _, err := OpenContext(func() (driver.Context, error) { return ctx, nil }); err == nil || !ctx.closed {
		t.Errorf("an old GPU: %v; context closed: %v", err, ctx.closed)
	}
}

// TestCallPanics ends a call by a panic: the next one finds the GPU as it should be.
func TestCallPanics(t *testing.T) {
	ctx := &fakeContext{}
	d, err := OpenContext(func() (driver.Context, error) { return ctx, nil })
	if err != nil {
		t.Fatal(err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic is lost")
			}
		}()
		d.do(func() error { panic("within a call") })
	}()
	if err := d.do(func() error { return nil }); err != nil || ctx.within != 0 {
		t.Errorf("the call after it: %v, %d threads in the context", err, ctx.within)
	}
}

// TestCallsInTurn has goroutines use a device: there is never more than one in its context.
func TestCallsInTurn(t *testing.T) {
	ctx := &fakeContext{}
	d, err := OpenContext(func() (driver.Context, error) { return ctx, nil })
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				if err := d.do(func() error {
					if ctx.within != 1 {
						return fmt.Errorf("%d threads in the context", ctx.within)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

// TestCloseDevice closes a device and uses it.
func TestCloseDevice(t *testing.T) {
	ctx := &fakeContext{}
	d, err := OpenContext(func() (driver.Context, error) { return ctx, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil || !ctx.closed {
		t.Errorf("Close returned %v; context closed: %v", err, ctx.closed)
	}
	if err := d.Close(); !errors.Is(err, errClosed) {
		t.Errorf("closed again: %v, want %v", err, errClosed)
	}
}
