// Package driver is the part of the CUDA driver interface that qgo uses. The
// binding to NVIDIA's driver is compiled with the build tag cuda; package
// emulator implements the same interface on the CPU for tests.
package driver

import (
	"fmt"
	"time"

	"qgo/kernels/plan"
)

// Ptr is an address in the memory of a device.
type Ptr uint64

// Context is a device made ready for work. A thread calls its methods between Enter and
// Leave, one thread at a time; launches and copies are done in their order, and only
// Sync, CopyOut and Elapsed wait for them. Errors are of type [*Error]; after a failed
// launch, all calls fail.
type Context interface {
	// Enter makes the calling thread, which its goroutine must be locked to, the one that
	// uses the device, until it calls Leave. Nothing else but Info may be called without.
	Enter() error
	Leave() error
	Info() plan.DeviceInfo
	// MemInfo returns the free and the total bytes of the device's memory.
	MemInfo() (free, total int64, err error)
	// Alloc returns n bytes of memory, with anything in them, at a multiple of
	// 256.
	Alloc(n int64) (Ptr, error)
	Free(p Ptr) error
	// HostAlloc returns n bytes of pinned memory, which copies to and from the
	// device pass through at full speed, and the address at which kernels read and
	// write it. What they write is there after Sync; a word of 64 bits may be read before, whole, and if a
	// launch stores one to say so, what the launches in front of it have stored.
	HostAlloc(n int) ([]byte, Ptr, error)
	HostFree(b []byte) error
	// HostRegister makes memory that is there already what HostAlloc's is, if the
	// device can do that. It has to be there until HostUnregister, which takes the
	// address for kernels; that it is registered does not keep Go's memory alive.
	HostRegister(b []byte) (Ptr, error)
	HostUnregister(p Ptr) error
	// CopyIn copies src to the device. If src is pinned it may be read later,
	// until the next Sync; else it is free when CopyIn returns.
	CopyIn(dst Ptr, src []byte) error
	// CopyOut waits for all work and copies from the device.
	CopyOut(dst []byte, src Ptr) error
	// Load compiles a module of PTX for the device.
	Load(ptx string) (Module, error)
	// Launch starts grid blocks of threads threads. args are the bytes of the
	// kernel's one parameter, a struct. They begin when the launch before has ended, or, where kernels
	// can wait for that themselves, when all its blocks have begun.
	Launch(f Function, grid, threads int, args []byte) error
	// Graph prepares launches, which begin as those of Launch do.
	Graph(launches []Launch) (Graph, error)
	// Record has the device note, as event number i, when it has done all work
	// before. Elapsed waits for event j and returns the time from event i to it.
	Record(i int) error
	Elapsed(i, j int) (time.Duration, error)
	// Sync waits for all work.
	Sync() error
	// Close is called instead of Leave.
	Close() error
}

// Module is a set of kernels loaded on a device.
type Module interface {
	Function(name string) (Function, error)
}

// Function is a kernel.
type Function interface {
	// Occupancy returns how many blocks of threads threads one multiprocessor
	// runs at a time.
	Occupancy(threads int) (int, error)
	// Share gives each block of later launches that many bytes of shared memory, beside
	// what the kernel has of its own.
	Share(bytes int) error
	// Shared returns what Share was given last.
	Shared() int
}

// Launch is a launch of a graph: as those of Context, with the bytes that Share gives.
type Launch struct {
	F                     Function
	Grid, Threads, Shared int
	Args                  []byte
}

// Graph is launches that start together.
type Graph interface {
	Run() error
	Close() error
}

// Error is a failed call of the driver.
type Error struct {
	Call string // such as cuMemAlloc
	What string // what it was to do
	Err  error
}

func (e *Error) Error() string {
	if e.What == "" {
		return fmt.Sprintf("cuda: %s: %v", e.Call, e.Err)
	}
	return fmt.Sprintf("cuda: %s (%s): %v", e.Call, e.What, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
