package cuda

import (
	"errors"
	"fmt"
	"runtime"

	"qgo/kernels/cuda/driver"
)

// Device is a GPU in use. Its methods may be called by any goroutine: a
// context of the driver belongs to a thread, so one goroutine that is locked
// to its thread makes all calls.
type Device struct {
	info     driver.Info
	requests chan request
	done     chan struct{}

	// The rest belongs to the thread.
	ctx       driver.Context
	functions map[string]driver.Function
}

type request struct {
	do     func() error
	last   bool
	result chan<- error
}

// errClosed is the answer of a device that was closed.
var errClosed = errors.New("cuda: the GPU was closed")

// Devices lists the GPUs of the machine. Without any, the error says why.
func Devices() ([]driver.Info, error) { return driver.Devices() }

// Open makes GPU number index ready for work.
func Open(index int) (*Device, error) {
	return OpenContext(func() (driver.Context, error) { return driver.Open(index) })
}

// OpenContext makes a device of the context that open, called by the thread
// that will make all calls, returns.
func OpenContext(open func() (driver.Context, error)) (*Device, error) {
	d := &Device{requests: make(chan request), done: make(chan struct{}), functions: map[string]driver.Function{}}
	opened := make(chan error)
	go d.serve(open, opened)
	if err := <-opened; err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Device) serve(open func() (driver.Context, error), opened chan<- error) {
	// The thread is not unlocked: it ends with the goroutine, and with it what
	// the driver keeps for the thread.
	runtime.LockOSThread()
	defer close(d.done)
	var err error
	if d.ctx, err = open(); err == nil {
		d.info = d.ctx.Info()
		if err = d.load(); err != nil {
			err = errors.Join(err, d.ctx.Close())
		}
	}
	opened <- err
	if err != nil {
		return
	}
	for last := false; !last; {
		r := <-d.requests
		last = r.last
		r.result <- r.do()
	}
}

// minCapability is that of the embedded PTX.
const minCapability = 53

// load compiles the kernels that every model needs.
func (d *Device) load() error {
	if c := d.info.Capability(); c < minCapability {
		return fmt.Errorf("cuda: %s has compute capability %d.%d; qgo's kernels need 5.3", d.info.Name, d.info.Major, d.info.Minor)
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
		return <-result
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

// Failed tells whether an error comes from the driver or a closed device, so
// that the device is of no more use.
func Failed(err error) bool {
	var failed *driver.Error
	return errors.As(err, &failed) || errors.Is(err, errClosed)
}

// Info describes the device.
func (d *Device) Info() driver.Info { return d.info }

// String names the device as options do.
func (d *Device) String() string { return fmt.Sprintf("cuda:%d", d.info.Index) }

// Close ends the device. Nothing may use it any more.
func (d *Device) Close() error {
	return d.ask(request{do: func() error { return d.ctx.Close() }, last: true})
}
