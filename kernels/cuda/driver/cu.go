//go:build cuda && linux && (amd64 || arm64)

package driver

// #cgo CFLAGS: -I/usr/local/cuda/include
// #cgo LDFLAGS: -Wl,--as-needed -L${SRCDIR}/lib -ldl
// #include <cuda.h>
// #include <stdint.h>
// #include <stdlib.h>
// #include <string.h>
//
// extern CUresult qgo_cuda_status;
// extern const char *qgo_cuda_reason;
//
// // A launch with one parameter, which cu's Launch limits to 8 bytes.
// static CUresult qgo_launch(CUfunction f, unsigned grid, unsigned threads, unsigned shared, const void *args) {
// 	void *params[] = {(void *)args};
// 	return cuLaunchKernel(f, grid, 1, 1, threads, 1, 1, shared, NULL, params, NULL);
// }
//
// extern void *qgo_cuda_launch;
//
// // One that may begin before the launch in front of it has ended. From CUDA 11.8 on launches have a
// // configuration (CUlaunchConfig) with attributes; this one is the programmatic order of a stream.
// static CUresult qgo_launch_early(CUfunction f, unsigned grid, unsigned threads, unsigned shared, const void *args) {
// 	typedef struct { int id; char unused[4]; union { char bytes[64]; int on; } value; } Attribute;
// 	typedef struct { unsigned grid[3], block[3], shared; CUstream stream; Attribute *attributes; unsigned count; } Config;
// 	typedef CUresult (*Launch)(const Config *, CUfunction, void **, void **);
// 	Attribute early = {.id = 6, .value.on = 1};
// 	Config c = {{grid, 1, 1}, {threads, 1, 1}, shared, NULL, &early, 1};
// 	void *params[] = {(void *)args};
// 	return ((Launch)qgo_cuda_launch)(&c, f, params, NULL);
// }
//
// static CUresult qgo_unregister(uintptr_t p) { return cuMemHostUnregister((void *)p); }
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"gorgonia.org/cu"

	_ "qgo/kernels/cuda/driver/header"
	"qgo/kernels/plan"
)

func failed(call, what string, err error) error {
	if err == nil {
		return nil
	}
	return &Error{call, what, err}
}

// status is the error of a result of a call that is not cu's.
func status(call, what string, r C.CUresult) error {
	if r == C.CUDA_SUCCESS {
		return nil
	}
	var name *C.char
	text := fmt.Sprintf("error %d", int(r))
	if C.cuGetErrorName(r, &name) == C.CUDA_SUCCESS && name != nil {
		text = C.GoString(name)
	}
	return &Error{call, what, errors.New(text)}
}

// ready reports whether the driver is there and works.
func ready() error {
	if reason := C.GoString(C.qgo_cuda_reason); reason != "" {
		return fmt.Errorf("no NVIDIA driver: %s", reason)
	}
	return status("cuInit", "", C.qgo_cuda_status)
}

// Built reports whether this build can use GPUs.
const Built = true

// Version is the newest version of CUDA that the driver knows, such as 12.2.
func Version() (string, error) {
	if err := ready(); err != nil {
		return "", err
	}
	v := cu.Version()
	return fmt.Sprintf("%d.%d", v/1000, v%1000/10), nil
}

// Devices lists the GPUs. Without any, the error says why.
func Devices() ([]plan.DeviceInfo, error) {
	if err := ready(); err != nil {
		return nil, err
	}
	n, err := cu.NumDevices()
	if err != nil {
		return nil, failed("cuDeviceGetCount", "", err)
	}
	if n == 0 {
		return nil, errors.New("the NVIDIA driver finds no GPU")
	}
	infos := make([]plan.DeviceInfo, n)
	for i := range infos {
		if infos[i], err = info(i); err != nil {
			return nil, err
		}
	}
	return infos, nil
}

func info(index int) (plan.DeviceInfo, error) {
	i := plan.DeviceInfo{Index: index}
	d, err := cu.GetDevice(index)
	if err != nil {
		return i, failed("cuDeviceGet", fmt.Sprint("GPU ", index), err)
	}
	if i.Name, err = d.Name(); err != nil {
		return i, failed("cuDeviceGetName", "", err)
	}
	i.Name = strings.TrimSpace(i.Name)
	if i.Memory, err = d.TotalMem(); err != nil {
		return i, failed("cuDeviceTotalMem", "", err)
	}
	var integrated, domain, bus, device int
	for _, a := range []struct {
		value *int
		id    cu.DeviceAttribute
	}{
		{&i.Major, cu.ComputeCapabilityMajor}, {&i.Minor, cu.ComputeCapabilityMinor},
		{&i.SMs, cu.MultiprocessorCount}, {&integrated, cu.Integrated},
		{&i.BlockMemory, cu.DeviceAttribute(C.CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)},
		{&domain, cu.PciDomainID}, {&bus, cu.PciBusID}, {&device, cu.PciDeviceID},
	} {
		if *a.value, err = d.Attribute(a.id); err != nil {
			return i, failed("cuDeviceGetAttribute", "", err)
		}
	}
	i.Integrated = integrated != 0
	i.PCI = fmt.Sprintf("%04x:%02x:%02x.0", domain, bus, device)
	return i, nil
}

type context struct {
	info   plan.DeviceInfo
	ctx    cu.CUContext
	pinned map[unsafe.Pointer]int // bytes, of HostAlloc
	// Where memory of HostRegister is: no pointer, which would keep it.
	registered map[Ptr]uintptr
	events
}

// Open makes a GPU ready for work.
func Open(index int) (Context, error) {
	all, err := Devices()
	if err != nil {
		return nil, err
	}
	if index < 0 || index >= len(all) {
		return nil, fmt.Errorf("no GPU %d: there are %d, counted from 0", index, len(all))
	}
	c := &context{info: all[index], pinned: map[unsafe.Pointer]int{}, registered: map[Ptr]uintptr{}}
	// The thread spins when it waits: a token takes less than a millisecond,
	// and being woken up costs a part of that.
	if c.ctx, err = cu.Device(index).MakeContext(cu.SchedSpin | cu.MapHost); err != nil {
		return nil, failed("cuCtxCreate", all[index].Name, err)
	}
	return c, c.Leave() // the thread has entered it
}

func (c *context) Enter() error { return failed("cuCtxPushCurrent", "", cu.PushCurrentCtx(c.ctx)) }

func (c *context) Leave() error {
	_, err := cu.PopCurrentCtx()
	return failed("cuCtxPopCurrent", "", err)
}

func (c *context) Info() plan.DeviceInfo { return c.info }

func (c *context) MemInfo() (free, total int64, err error) {
	free, total, err = cu.MemInfo()
	return free, total, failed("cuMemGetInfo", "", err)
}

func (c *context) Alloc(n int64) (Ptr, error) {
	p, err := cu.MemAlloc(n)
	return Ptr(p), failed("cuMemAlloc", fmt.Sprint(n, " bytes"), err)
}

func (c *context) Free(p Ptr) error { return failed("cuMemFree", "", cu.MemFree(cu.DevicePtr(p))) }

func (c *context) HostAlloc(n int) ([]byte, Ptr, error) {
	var p unsafe.Pointer
	r := C.cuMemHostAlloc(&p, C.size_t(n), C.CU_MEMHOSTALLOC_DEVICEMAP)
	if r != C.CUDA_SUCCESS {
		return nil, 0, status("cuMemHostAlloc", bytesText(n), r)
	}
	c.pinned[p] = n
	at, err := devicePtr(p)
	return unsafe.Slice((*byte)(p), n), at, err
}

func (c *context) HostFree(b []byte) error {
	p := unsafe.Pointer(unsafe.SliceData(b))
	delete(c.pinned, p)
	return failed("cuMemFreeHost", "", cu.MemFreeHost(p))
}

// devicePtr is the address of pinned memory for kernels.
func devicePtr(p unsafe.Pointer) (Ptr, error) {
	var at C.CUdeviceptr
	r := C.cuMemHostGetDevicePointer(&at, p, 0)
	return Ptr(at), status("cuMemHostGetDevicePointer", "", r)
}

func (c *context) HostRegister(b []byte) (Ptr, error) {
	p := unsafe.Pointer(unsafe.SliceData(b))
	r := C.cuMemHostRegister(p, C.size_t(len(b)), C.CU_MEMHOSTREGISTER_DEVICEMAP)
	if r != C.CUDA_SUCCESS {
		return 0, status("cuMemHostRegister", bytesText(len(b)), r)
	}
	at, err := devicePtr(p)
	if err != nil {
		return 0, errors.Join(err, status("cuMemHostUnregister", "", C.cuMemHostUnregister(p)))
	}
	c.registered[at] = uintptr(p)
	return at, nil
}

func (c *context) HostUnregister(p Ptr) error {
	at, ok := c.registered[p]
	if !ok {
		return &Error{"cuMemHostUnregister", fmt.Sprintf("%#x", p), errors.New("not registered")}
	}
	delete(c.registered, p)
	return status("cuMemHostUnregister", "", C.qgo_unregister(C.uintptr_t(at)))
}

func bytesText(n int) string { return fmt.Sprint(n, " bytes") }

// isPinned reports whether b lies in memory of HostAlloc.
func (c *context) isPinned(b []byte) bool {
	p := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	for start, n := range c.pinned {
		if s := uintptr(start); p >= s && p < s+uintptr(n) {
			return true
		}
	}
	return false
}

func (c *context) CopyIn(dst Ptr, src []byte) error {
	if len(src) == 0 {
		return nil
	}
	p := unsafe.Pointer(unsafe.SliceData(src))
	if c.isPinned(src) {
		return copied("cuMemcpyHtoDAsync", len(src), cu.MemcpyHtoDAsync(cu.DevicePtr(dst), p, int64(len(src)), cu.NoStream))
	}
	return copied("cuMemcpyHtoD", len(src), cu.MemcpyHtoD(cu.DevicePtr(dst), p, int64(len(src))))
}

func (c *context) CopyOut(dst []byte, src Ptr) error {
	if len(dst) == 0 {
		return nil
	}
	return copied("cuMemcpyDtoH", len(dst), cu.MemcpyDtoH(unsafe.Pointer(unsafe.SliceData(dst)), cu.DevicePtr(src), int64(len(dst))))
}

// copied is failed for a copy. Without an error it allocates nothing: every token has copies.
func copied(call string, n int, err error) error {
	if err == nil {
		return nil
	}
	return failed(call, bytesText(n), err)
}

type module struct {
	m     cu.Module
	early map[string]bool // kernels of such names
}

func (c *context) Load(ptx string) (Module, error) {
	var early map[string]bool
	if c.hasHopper() {
		ptx, early = ForHopper(ptx)
	}
	log := make([]byte, 8<<10)
	m, err := cu.LoadDataEx(ptx, &cu.JITErrorLogBuffer{Buffer: log})
	if err == nil {
		return &module{m, early}, nil
	}
	text, _, _ := bytes.Cut(log, []byte{0})
	return nil, failed("cuModuleLoadDataEx", strings.TrimSpace(string(text)), err)
}

func (m *module) Function(name string) (Function, error) {
	f, err := m.m.Function(name)
	if err != nil {
		return nil, failed("cuModuleGetFunction", name, err)
	}
	return &function{name: name, f: f, early: m.early[name]}, nil
}

type function struct {
	name         string
	f            cu.Function
	shared, most int // bytes of a block of the next launch, and that there may be
	early        bool
}

// handle is the driver's; cu's Function is that and nothing else.
func (f *function) handle() C.CUfunction { return *(*C.CUfunction)(unsafe.Pointer(&f.f)) }

func (f *function) Occupancy(threads int) (int, error) {
	n, err := f.f.MaxActiveBlocksPerMultiProcessor(threads, int64(f.shared))
	return n, failed("cuOccupancyMaxActiveBlocksPerMultiprocessor", f.name, err)
}

func (f *function) Share(bytes int) error {
	if bytes > f.most {
		r := C.cuFuncSetAttribute(f.handle(), C.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, C.int(bytes))
		if err := status("cuFuncSetAttribute", fmt.Sprintf("%s, %d bytes of shared memory", f.name, bytes), r); err != nil {
			return err
		}
		f.most = bytes
	}
	f.shared = bytes
	return nil
}

func (f *function) Shared() int { return f.shared }

func (c *context) Launch(f Function, grid, threads int, args []byte) error {
	k := f.(*function)
	var r C.CUresult
	if at := unsafe.Pointer(unsafe.SliceData(args)); k.early {
		r = C.qgo_launch_early(k.handle(), C.uint(grid), C.uint(threads), C.uint(k.shared), at)
	} else {
		r = C.qgo_launch(k.handle(), C.uint(grid), C.uint(threads), C.uint(k.shared), at)
	}
	if r == C.CUDA_SUCCESS {
		return nil
	}
	return status("cuLaunchKernel", fmt.Sprintf("%s, %d blocks of %d threads", k.name, grid, threads), r)
}

func (c *context) Sync() error { return failed("cuCtxSynchronize", "", cu.Synchronize()) }

func (c *context) Close() error {
	errs := []error{c.events.close()}
	for p := range c.pinned {
		errs = append(errs, failed("cuMemFreeHost", "", cu.MemFreeHost(p)))
	}
	return errors.Join(append(errs, failed("cuCtxDestroy", "", c.ctx.Destroy()))...)
}
