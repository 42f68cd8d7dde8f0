package emulator

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"

	"qgo/kernels/cuda/driver"
)

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

// registered is memory of the program that has pages to itself. It may be Go's, which that does not keep alive.
type registered struct {
	first uintptr
	n     int64
}

// whole is the bytes of its pages.
func (r registered) whole() int64 { return (r.n + page - 1) / page * page }

func (r registered) bytes() []byte {
	return unsafe.Slice((*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&r.first))), r.n)
}

// become has the pages be those of a file, or, without one, pages of their own.
func (r registered) become(file *os.File, at int64) error {
	fd, flags := ^uintptr(0), unix.MAP_PRIVATE|unix.MAP_ANON
	if file != nil {
		fd, flags = file.Fd(), unix.MAP_SHARED
	}
	// Not Mmap: what it returns must not be Go's.
	if _, _, err := unix.Syscall6(unix.SYS_MMAP, r.first, uintptr(r.whole()), unix.PROT_READ|unix.PROT_WRITE, uintptr(flags|unix.MAP_FIXED), fd, uintptr(at)); err != 0 {
		return err
	}
	return nil
}

// HostRegister has pages of the program, which hold nothing else, become pages of the device's memory, with
// what is in them: so either sees at once what the other writes.
func (c *Context) HostRegister(b []byte) (driver.Ptr, error) {
	r := registered{uintptr(unsafe.Pointer(unsafe.SliceData(b))), int64(len(b))}
	if r.first%page != 0 {
		return 0, &driver.Error{Call: "cuMemHostRegister", Err: errors.New("memory that does not begin with a page")}
	}
	p, err := c.take(r.whole())
	if err != nil {
		return 0, err
	}
	copy(c.bytes(p, r.n), r.bytes())
	if err := r.become(c.file, int64(p-base)); err != nil {
		return 0, errors.Join(err, c.giveBack(p, r.whole()))
	}
	c.host[p] = r
	return p, nil
}

// HostUnregister makes them the program's own again.
func (c *Context) HostUnregister(p driver.Ptr) error {
	r, ok := c.host[p]
	if !ok {
		return &driver.Error{Call: "cuMemHostUnregister", What: fmt.Sprintf("%#x", p), Err: errors.New("HostMemoryNotRegistered")}
	}
	delete(c.host, p)
	if c.memory == nil {
		return nil // the pages stay those of the file, which nobody else has any longer
	}
	if err := r.become(nil, 0); err != nil {
		return err
	}
	copy(r.bytes(), c.bytes(p, r.n))
	return c.giveBack(p, r.whole())
}

// Registered is how many pieces of memory are registered.
func (c *Context) Registered() int { return len(c.host) }
