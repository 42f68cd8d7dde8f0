package cuda

import (
	"errors"
	"runtime"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
)

// fakeContext is a GPU that can be opened and closed.
type fakeContext struct {
	driver.Context
	closed bool
}

func (c *fakeContext) Info() plan.DeviceInfo { return plan.DeviceInfo{Major: 5, Minor: 3} }

func (c *fakeContext) Load(string) (driver.Module, error) { return fakeModule{}, nil }

func (c *fakeContext) Close() error {
	c.closed = true
	return nil
}

type fakeModule struct{}

func (fakeModule) Function(string) (driver.Function, error) { return nil, nil }

// TestOpenEnds opens a GPU with functions that do not return a context.
func TestOpenEnds(t *testing.T) {
	refused := errors.New("refused")
	if _, err := OpenContext(func() (driver.Context, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("an error became %v", err)
	}
	// What t.Skip and t.Fatal do.
	if _, err := OpenContext(func() (driver.Context, error) { runtime.Goexit(); return nil, nil }); !errors.Is(err, errEnded) {
		t.Errorf("opened by a goroutine that ends: %v, want %v", err, errEnded)
	}
}

// TestCallEnds ends the device's goroutine within a call.
func TestCallEnds(t *testing.T) {
	ctx := &fakeContext{}
	d, err := OpenContext(func() (driver.Context, error) { return ctx, nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := d.do(func() error { runtime.Goexit(); return nil }); !errors.Is(err, errEnded) || !d.Failed(err) {
		t.Errorf("a call that ends the goroutine: %v, want %v", err, errEnded)
	}
	if err := d.do(func() error { return nil }); !errors.Is(err, errClosed) || !ctx.closed {
		t.Errorf("the call after it: %v, want %v; context closed: %v", err, errClosed, ctx.closed)
	}
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
