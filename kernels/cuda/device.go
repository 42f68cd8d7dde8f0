package cuda

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/nvml"
	"qgo/kernels/plan"
)

// Device is a GPU in use. Its methods may be called by any goroutine, one of which uses the
// GPU at a time.
type Device struct {
	info      plan.DeviceInfo
	launches  atomic.Int64
	exchanges atomic.Int64

	mu        sync.Mutex // of what follows
	closed    bool
	ctx       driver.Context
	functions map[string]driver.Function
}

// errClosed is the answer of a device that was closed.
var errClosed = errors.New("cuda: the GPU was closed")

// Kind is NVIDIA's GPUs.
var Kind = plan.Kind{
	Name: "cuda",
	List: driver.Devices,
	Open: func(index int) (plan.Device, error) {
		return OpenContext(func() (driver.Context, error) { return driver.Open(index) })
	},
	Supports: supports,
	Describe: describe,
	Diagnose: func(root fs.FS) (found, advice string) { return diagnose(root, here()) },
	Sensors:  func(i plan.DeviceInfo) (plan.Sensors, error) { return nvml.Open(nvml.Library, i.PCI) },
}

// OpenContext makes a device of the context that open returns.
func OpenContext(open func() (driver.Context, error)) (*Device, error) {
	ctx, err := open()
	if err != nil {
		return nil, err
	}
	d := &Device{info: ctx.Info(), ctx: ctx, functions: map[string]driver.Function{}}
	if err := d.do(d.load); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// minCapability is that of the embedded PTX.
const minCapability = 53

// capability is a GPU's compute capability as one number: 53 for 5.3.
func capability(i plan.DeviceInfo) int { return 10*i.Major + i.Minor }

// supports returns an error if a GPU is too old for the kernels.
func supports(i plan.DeviceInfo) error {
	if capability(i) < minCapability {
		return fmt.Errorf("cuda: %s has compute capability %d.%d; qgo's kernels need 5.3", i.Name, i.Major, i.Minor)
	}
	return nil
}

// load compiles the kernels that every model needs.
func (d *Device) load() error {
	if err := supports(d.info); err != nil {
		return err
	}
	return d.loadModule(common, commonKernels)
}

// do calls f, which uses the GPU. The caller's own thread does: a token takes less than a
// millisecond, and to wake another thread and be woken by it would take a part of that.
func (d *Device) do(f func() error) (err error) {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.mu.Unlock()
	defer runtime.UnlockOSThread()
	defer func() {
		if left := d.ctx.Leave(); err == nil {
			err = left
		}
	}()
	return f()
}

// enter makes the calling goroutine the one that uses the GPU, if it returns no error.
func (d *Device) enter() error {
	d.mu.Lock()
	runtime.LockOSThread()
	err := errClosed
	if !d.closed {
		err = d.ctx.Enter()
	}
	if err != nil {
		runtime.UnlockOSThread()
		d.mu.Unlock()
	}
	return err
}

// MemInfo returns the free and the total bytes of the device's memory.
func (d *Device) MemInfo() (free, total int64, err error) {
	err = d.do(func() (err error) {
		free, total, err = d.ctx.MemInfo()
		return err
	})
	return free, total, err
}

// Failed reports whether an error comes from the driver or a closed device, so
// that the device is of no more use.
func (d *Device) Failed(err error) bool {
	var failed *driver.Error
	return errors.As(err, &failed) || errors.Is(err, errClosed)
}

// Launches is the number of kernels that have been launched so far.
func (d *Device) Launches() int64 { return d.launches.Load() }

// Exchanges is the number of vectors so far that blocks of a launch have handed to each other.
func (d *Device) Exchanges() int64 { return d.exchanges.Load() }

// Info describes the device.
func (d *Device) Info() plan.DeviceInfo { return d.info }

// String names the device as options do.
func (d *Device) String() string { return fmt.Sprintf("cuda:%d", d.info.Index) }

// Close ends the device. Nothing may use it any more.
func (d *Device) Close() error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.mu.Unlock()
	defer runtime.UnlockOSThread()
	d.closed = true
	return d.ctx.Close()
}
