// Package emulator runs the CUDA kernels on the CPU, as a [driver.Context], so
// that what a GPU would compute can be tested without one. It compiles the
// kernels with clang; without it tests are skipped, or fail where nothing may be
// missing: see [testdata.Missing].
package emulator

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/plan"
	"qgo/testdata"
)

// Options of an emulated GPU.
type Options struct {
	Memory int64 // bytes; 0 means 1 GiB
	SMs    int   // 0 means 2
	// Capability is the compute capability, ten times that of its first number plus the
	// second; 0 means 53.
	Capability int
	// FailLaunch makes that launch, counted from 1, and all that follows
	// fail, as on a GPU that is lost.
	FailLaunch int
	// Late has launches run while the program goes on, one after the other.
	Late bool
}

const (
	base     = 0x2000_0000_0000 // of device memory
	space    = 64 << 30         // addresses
	page     = 4096
	resident = 2 // blocks a multiprocessor; kResident of emulator.cu is for all

	blockMemory = 99 << 10 // kMaxGiven of emulator.cu
)

// Context is an emulated GPU.
type Context struct {
	o       Options
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
	memory  []byte
	next    int64 // offset of the next allocation
	used    int64
	sizes   map[driver.Ptr]int64
	host    map[driver.Ptr]registered
	file    *os.File // the memory
	found   string   // the kernel found last
	lost    error
	events  []time.Time
	late    chan call
	pending sync.WaitGroup // launches that have not run

	Launches int
	Graphs   int            // that have been run
	NoGraphs bool           // Graph fails
	Kernels  map[string]int // launches of each
}

// New starts an emulated GPU, which ends with the test. Without a compiler the
// test ends, so the test's own goroutine must call it.
func New(t testing.TB, o Options) *Context {
	t.Helper()
	path, err := build()
	if errors.Is(err, exec.ErrNotFound) {
		testdata.Missing(t, "clang++, which compiles the kernels for the CPU")
	}
	if err != nil {
		t.Fatal(err)
	}
	if o.Memory == 0 {
		o.Memory = 1 << 30
	}
	o.SMs = cmp.Or(o.SMs, 2)
	o.Capability = cmp.Or(o.Capability, 53)
	c, err := start(path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func start(path string, o Options) (c *Context, err error) {
	file, err := os.CreateTemp("", "qgo-device-memory-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, file.Close())
		}
	}()
	if err := errors.Join(os.Remove(file.Name()), file.Truncate(space)); err != nil {
		return nil, err
	}
	c = &Context{o: o, file: file, sizes: map[driver.Ptr]int64{}, host: map[driver.Ptr]registered{}, Kernels: map[string]int{}}
	if c.memory, err = unix.Mmap(int(file.Fd()), 0, space, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE); err != nil {
		return nil, err
	}
	c.process = exec.Command(path, fmt.Sprint(base), fmt.Sprint(space), fmt.Sprint(o.Capability))
	c.process.ExtraFiles = []*os.File{file} // descriptor 3
	c.process.Stderr = os.Stderr
	if c.in, err = c.process.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.process.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	if o.Late {
		c.late = make(chan call, 1024) // as many as a driver may have waiting
		go c.runLate()
	}
	return c, c.process.Start()
}

// wait waits for launches. It returns an error if the GPU is lost.
func (c *Context) wait() error {
	c.pending.Wait()
	return c.lost
}

// ask sends a request behind all launches.
func (c *Context) ask(op, a, b, d uint64, data []byte) error {
	c.pending.Wait()
	return c.send(op, a, b, d, data)
}

// send sends a request: see emulator.cu.
func (c *Context) send(op, a, b, d uint64, data []byte) error {
	if c.lost != nil {
		return c.lost
	}
	message := binary.NativeEndian.AppendUint64(nil, op)
	for _, v := range []uint64{a, b, d} {
		message = binary.NativeEndian.AppendUint64(message, v)
	}
	if _, err := c.in.Write(append(message, data...)); err != nil {
		return err
	}
	var head [2]int32
	if err := binary.Read(c.out, binary.NativeEndian, &head); err != nil {
		return err
	}
	text := make([]byte, head[1])
	if _, err := io.ReadFull(c.out, text); err != nil {
		return err
	}
	if head[0] != 0 {
		return errors.New(string(text))
	}
	return nil
}

// Info describes the emulated GPU.
func (c *Context) Info() plan.DeviceInfo {
	return plan.DeviceInfo{
		Name: "emulated GPU", Major: c.o.Capability / 10, Minor: c.o.Capability % 10,
		SMs: c.o.SMs, Memory: c.o.Memory, BlockMemory: blockMemory,
	}
}

// MemInfo returns free and total memory.
func (c *Context) MemInfo() (free, total int64, err error) {
	return c.o.Memory - c.used, c.o.Memory, c.wait()
}

// Enter and Leave do nothing: all threads are alike.
func (c *Context) Enter() error { return nil }
func (c *Context) Leave() error { return nil }

// Alloc returns n bytes that nothing usable follows, filled with NaNs.
func (c *Context) Alloc(n int64) (driver.Ptr, error) {
	if n <= 0 || n > c.o.Memory-c.used {
		return 0, &driver.Error{Call: "cuMemAlloc", What: fmt.Sprint(n, " bytes"), Err: errors.New("OutOfMemory")}
	}
	p, err := c.take(n)
	if err == nil {
		c.used += n
		c.sizes[p] = n
	}
	return p, err
}

// take makes n bytes usable.
func (c *Context) take(n int64) (driver.Ptr, error) {
	pages := (n + page - 1) / page * page
	start := c.next + page // one that is never usable
	c.next = start + pages
	p := driver.Ptr(base + start + pages - (n+255)/256*256)
	if err := c.ask(0, uint64(pages), uint64(base+start), 1, nil); err != nil {
		return 0, &driver.Error{Call: "cuMemAlloc", Err: err}
	}
	fill := c.bytes(p, n)
	for i := range fill {
		fill[i] = 0xff
	}
	return p, nil
}

func (c *Context) bytes(p driver.Ptr, n int64) []byte {
	offset := int64(p - base)
	return c.memory[offset : offset+n]
}

// check reports whether [p, p+n) has been allocated.
func (c *Context) check(call string, p driver.Ptr, n int) error {
	for start, size := range c.sizes {
		if p >= start && int64(p-start)+int64(n) <= size {
			return c.wait()
		}
	}
	return &driver.Error{Call: call, What: fmt.Sprintf("%d bytes at %#x", n, p), Err: errors.New("InvalidValue")}
}

// Free takes back what Alloc returned.
func (c *Context) Free(p driver.Ptr) error {
	n, ok := c.sizes[p]
	if !ok {
		return &driver.Error{Call: "cuMemFree", What: fmt.Sprintf("%#x", p), Err: errors.New("InvalidValue")}
	}
	delete(c.sizes, p)
	c.used -= n
	return c.giveBack(p, n)
}

func (c *Context) giveBack(p driver.Ptr, n int64) error {
	start := int64(p-base) / page * page
	pages := (n + page - 1) / page * page
	return errors.Join(c.ask(0, uint64(pages), uint64(base+start), 0, nil), unix.Madvise(c.memory[start:start+pages], unix.MADV_REMOVE))
}

// CopyIn copies to device memory.
func (c *Context) CopyIn(dst driver.Ptr, src []byte) error {
	if err := c.wait(); err != nil {
		return err
	}
	if err := c.check("cuMemcpyHtoD", dst, len(src)); err != nil {
		return err
	}
	copy(c.bytes(dst, int64(len(src))), src)
	return nil
}

// CopyOut copies from device memory.
func (c *Context) CopyOut(dst []byte, src driver.Ptr) error {
	if err := c.Sync(); err != nil {
		return err
	}
	if err := c.check("cuMemcpyDtoH", src, len(dst)); err != nil {
		return err
	}
	copy(dst, c.bytes(src, int64(len(dst))))
	return nil
}

// Sync waits for launches.
func (c *Context) Sync() error { return c.wait() }

// Close ends the emulator.
func (c *Context) Close() error {
	if c.memory == nil {
		return nil
	}
	c.pending.Wait()
	if c.late != nil {
		close(c.late)
	}
	err := errors.Join(c.in.Close(), unix.Munmap(c.memory), c.file.Close())
	c.memory = nil
	c.process.Wait() // it fails if a kernel did, which was said before
	return err
}

// Used is the device memory in use, in bytes.
func (c *Context) Used() int64 { return c.used }
