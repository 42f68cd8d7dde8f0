package cuda

import (
	"fmt"
	"unsafe"

	"qgo/kernels/cuda/driver"
	"qgo/quant"
)

// The parameters of the kernels: each has one, a struct of these fields in src.
type (
	matrixArgs struct {
		codes, high, scales, supers driver.Ptr
		rows, cols                  int32
	}
	matmulArgs struct {
		w                        matrixArgs
		x, bias, y               driver.Ptr
		n, xStride, yStride, add int32
	}
	embedArgs struct {
		w         matrixArgs
		tokens, y driver.Ptr
	}
	normArgs struct {
		x, weight, rows, y driver.Ptr
		width              int32
		eps                float32
	}
	ropeArgs struct {
		qkv, rope, rows                        driver.Ptr
		layer, heads, kvHeads, headDim, stride int32
		scale                                  float32
	}
	headNormArgs struct {
		qkv, q, k                       driver.Ptr
		heads, kvHeads, headDim, stride int32
		eps                             float32
	}
	swigluArgs struct {
		gateUp      driver.Ptr
		rows, width int32
	}
	attentionArgs struct {
		qkv, rows, out, parts, tops, sums driver.Ptr
		n, layer, heads, kvHeads, stride  int32
		splits, span                      int32
	}
	mergeArgs struct {
		parts, tops, sums, out driver.Ptr
		headDim, splits        int32
	}
	// cacheRow is where a row of a batch finds its keys and values.
	cacheRow struct {
		kv       driver.Ptr
		pos, ctx int32
	}
)

// What the kernels are written for: see src.
const (
	vecThreads    = 128 // of matvec
	vecRows1      = 4   // of weights a warp of matvec1
	vecRows4      = 2   // and of matvec4
	vecBatch      = 4   // rows of x
	gemmThreads   = 64
	gemmTile      = 64 // rows of weights a block
	vectorThreads = 256
	attnThreads   = 128
	attnTile      = 64 // positions
	attnGroup     = 8  // query heads on a KV head, at most
	warpLen       = 32 // and of headnorm
)

// launch starts a kernel. It is called within Device.do, as all that follows
// here.
func launch[T any](d *Device, name string, grid, threads int, args T) error {
	f, err := d.function(name)
	if err != nil {
		return err
	}
	d.launches.Add(1)
	return d.ctx.Launch(f, grid, threads, unsafe.Slice((*byte)(unsafe.Pointer(&args)), unsafe.Sizeof(args)))
}

// function returns a kernel that is loaded.
func (d *Device) function(name string) (driver.Function, error) {
	if f := d.functions[name]; f != nil {
		return f, nil
	}
	return nil, fmt.Errorf("cuda: kernel %s is not loaded", name)
}

// common are the kernels of the module of that name, matrixKernels those of the
// module of each type of weights.
const common = "common"

var (
	commonKernels = []string{
		"rmsnorm", "headnorm", "swiglu", "largest", "argmax", "topOfPart", "topOfRow", "merge", "rope_F32", "rope_F16", "rope_Q8_0",
		"attend64_F32", "attend64_F16", "attend64_Q8_0", "attend128_F32", "attend128_F16", "attend128_Q8_0",
	}
	matrixKernels = []string{"matvec1_", "matvec4_", "gemm16_", "gemm32_", "gemm64_", "embed_", "expand_"}
)

// need loads the kernels for a type of weights if they are not there.
func (d *Device) need(t quant.Type) error {
	var names []string
	for _, k := range matrixKernels {
		names = append(names, k+t.String())
	}
	if d.functions[names[0]] != nil {
		return nil
	}
	return d.loadModule(t.String(), names)
}

func (d *Device) loadModule(module string, names []string) error {
	return d.loadModuleFor(minCapability, module, names)
}

// loadModuleFor loads a module for GPUs from that capability on.
func (d *Device) loadModuleFor(capability int, module string, names []string) error {
	ptx, err := readPTX(capability, module)
	if err != nil {
		return err
	}
	m, err := d.ctx.Load(ptx)
	if err != nil {
		return err
	}
	for _, name := range names {
		if d.functions[name], err = m.Function(name); err != nil {
			return err
		}
	}
	return nil
}
