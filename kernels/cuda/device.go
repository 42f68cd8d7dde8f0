package cuda

import (
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync/atomic"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/nvml"
	"qgo/kernels/plan"
)

// Device is a GPU in use. Its methods may be called by any goroutine: a
// context of the driver belongs to a thread, so one goroutine that is locked
// to its thread makes all calls.
type Device struct {
	info     plan.DeviceInfo
	requests chan request
	done     chan struct{}
	launches atomic.Int64

	// The rest belongs to the thread.
	ctx       driver.Context
	functions map[string]driver.Function
}

type request struct {
	do     func() error
	last   bool
	result chan<- error
}

var (
	// errClosed is the answer of a device that was closed.
	errClosed = errors.New("cuda: the GPU was closed")
	// errEnded is that of one whose thread a callback has ended.
	errEnded = errors.New("cuda: the goroutine that calls the GPU's driver ended within a call")
)

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

// OpenContext makes a device of the context that open returns. The thread that
// will make all calls calls open; if open ends that thread's goroutine instead
// of returning (runtime.Goexit, as t.FailNow does), that is an error.
func OpenContext(open func() (driver.Context, error)) (*Device, error) {
	d := &Device{requests: make(chan request), done: make(chan struct{}), functions: map[string]driver.Function{}}
	opened := make(chan error, 1)
	go d.serve(open, opened)
	if err := await(opened, d.done); err != nil {
		return nil, err
	}
	return d, nil
}

// await returns the result of the device's thread, or an error if the thread
// ends without one.
func await(result <-chan error, done <-chan struct{}) error {
	select {
	case err := <-result:
		return err
	case <-done:
	}
	select {
	case err := <-result: // the thread's last
		return err
	default:
		return errEnded
	}
}

func (d *Device) serve(open func() (driver.Context, error), opened chan<- error) {
	// The thread is not unlocked: it ends with the goroutine, and with it what
	// the driver keeps for the thread.
	runtime.LockOSThread()
	defer close(d.done)
	closed := false
	defer func() {
		if !closed && d.ctx != nil {
			_ = d.ctx.Close() // a callback has ended the goroutine
		}
	}()
	var err error
	if d.ctx, err = open(); err == nil {
		d.info = d.ctx.Info()
		if err = d.load(); err != nil {
			err = errors.Join(err, d.ctx.Close())
		}
	}
	opened <- err
	closed = err != nil
	for !closed {
		r := <-d.requests
		result := r.do()
		closed = r.last
		r.result <- result
	}
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

// do has the device's thread call f.
func (d *Device) do(f func() error) error { return d.ask(request{do: f}) }

func (d *Device) ask(r request) error {
	result := make(chan error, 1)
	r.result = result
	select {
	case d.requests <- r:
		return await(result, d.done)
	case <-d.done:
		return errClosed
	}
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
	return errors.As(err, &failed) || errors.Is(err, errClosed) || errors.Is(err, errEnded)
}

// Launches is the number of kernels that have been launched so far.
func (d *Device) Launches() int64 { return d.launches.Load() }

// Info describes the device.
func (d *Device) Info() plan.DeviceInfo { return d.info }

// String names the device as options do.
func (d *Device) String() string { return fmt.Sprintf("cuda:%d", d.info.Index) }

// Close ends the device. Nothing may use it any more.
func (d *Device) Close() error {
	return d.ask(request{do: func() error { return d.ctx.Close() }, last: true})
}
