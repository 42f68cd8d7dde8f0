package emulator

import (
	"errors"
	"fmt"
	"unsafe"
	"weak"

	"qgo/kernels/cuda/driver"
)

// registered is memory of the program that kernels see at an address of their own.
type registered struct {
	first weak.Pointer[byte]
	n     int
}

// HostAlloc returns memory that kernels see, too.
func (c *Context) HostAlloc(n int) ([]byte, driver.Ptr, error) {
	if err := c.wait(); err != nil {
		return nil, 0, err
	}
	p, err := c.take(int64(n))
	if err != nil {
		return nil, 0, err
	}
	return c.bytes(p, int64(n)), p, nil
}

// HostFree takes back what HostAlloc returned.
func (c *Context) HostFree(b []byte) error {
	if c.memory == nil {
		return nil
	}
	offset := uintptr(unsafe.Pointer(unsafe.SliceData(b))) - uintptr(unsafe.Pointer(unsafe.SliceData(c.memory)))
	return c.giveBack(base+driver.Ptr(offset), int64(len(b)))
}

// HostRegister gives memory an address. What the program writes there is what later launches
// see, and what kernels write arrives with Sync.
func (c *Context) HostRegister(b []byte) (driver.Ptr, error) {
	p, err := c.take(int64(len(b)))
	if err == nil {
		c.host[p] = registered{weak.Make(unsafe.SliceData(b)), len(b)}
	}
	return p, err
}

// HostUnregister takes the address back.
func (c *Context) HostUnregister(p driver.Ptr) error {
	r, ok := c.host[p]
	if !ok {
		return &driver.Error{Call: "cuMemHostUnregister", What: fmt.Sprintf("%#x", p), Err: errors.New("HostMemoryNotRegistered")}
	}
	delete(c.host, p)
	return c.giveBack(p, int64(r.n))
}

// Registered is how many pieces of memory are registered.
func (c *Context) Registered() int { return len(c.host) }

// depart copies what the program has written to registered memory to where kernels see it,
// arrive what kernels have written since then back.
func (c *Context) depart() {
	c.started = true
	c.eachRegistered(func(host, device []byte) { copy(device, host) })
}

func (c *Context) arrive() {
	if c.started {
		c.eachRegistered(func(host, device []byte) { copy(host, device) })
	}
	c.started = false
}

func (c *Context) eachRegistered(f func(host, device []byte)) {
	for p, r := range c.host {
		if first := r.first.Value(); first != nil {
			f(unsafe.Slice(first, r.n), c.bytes(p, int64(r.n)))
		}
	}
}
