// Package tier knows the sets of kernels for CPUs. The package of an
// instruction set registers its own, and has a line in package kernels, which
// links it; plain Go is always there.
package tier

import (
	"fmt"
	"slices"
	"strings"

	"github.com/klauspost/cpuid/v2"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/quant"
	"qgo/tensor"
)

// Tier is a set of kernels for one level of instruction set. Every function
// does what the function of that name in package generic does, or the one that
// [Tier.Plain] has in its place. Tiers are values: one process may use several, as
// the tests do.
type Tier struct {
	Name     string
	ISA      *ISA // nil for what every CPU has
	MatMul   func(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *generic.Scratch)
	Quantize func(x []float32, dst []tensor.Block)
	// Group is the number of activations that share a scale, 16 or 32: what Quantize
	// makes, and MatMul and Panels rely on.
	Group int
	// Words quantises activations to 16 bits for MatMul and Panels, where one product
	// with those is faster than two with 8 bits: see package cpu. It is nil where it is not.
	Words func(x []float32, dst []tensor.Words)
	// Many is how many rows are multiplied with some types of weights by Panels; nil if as
	// few are. Those of the types that are integers MatMul multiplies so too.
	Many *Many
	// Floats is the tier for models whose blocks have floating-point weights only, where that
	// multiplies many rows faster; otherwise nil.
	Floats *Tier
	// Fast is the tier of --fast, which multiplies many rows with floating-point
	// weights in bfloat16; nil where there is none. It may need more than its
	// tier: see its ISA.
	Fast    *Tier
	RMSNorm func(dst, x, w []float32, eps float32)
	Rope    func(x, cos, sin []float32)
	SwiGLU  func(gate, up []float32)
	Add     func(dst, x []float32)
	Scale   func(dst, x []float32, f float32)
	Halves  func(dst []byte, x []float32)
	Attend  func(t *generic.AttnTile, s *generic.AttnScratch)
	Merge   func(acc []float32, max1, sum1 float32, acc2 []float32, max2, sum2 float32) (float32, float32)
	// Panels lays weights out for the kernels that multiply them, if there are
	// any; MatMul is for the weights that do not fit it.
	Panels panel.Layout
	// Fused reports whether Attend adds products without rounding them before,
	// where heads are a multiple of 16 values. Plain Go, in which that is slow,
	// rounds them.
	Fused bool
	// Integer reports whether MatMul reads the quantised activations for
	// integer weights.
	Integer bool
}

// Many is a form of activations in which many rows are multiplied faster than in those for
// few. It has one of the two functions.
type Many struct {
	Bfloat func(x []float32, dst []tensor.Block) // rounds to bfloat16
	Words  func(x []float32, dst []tensor.Words) // quantises to 16 bits
	In     func(quant.Type) bool                 // types of weights that are multiplied with it
	// Attention is how many rows attend, where that is faster than Attend; otherwise nil.
	Attention Attention
}

// Attention computes attention with keys and values of some types.
type Attention interface {
	Fits(kv quant.Type, headDim int) bool
	// New returns a worker's own function, which does what Attend does but for roundings.
	New(headDim int) func(t *generic.AttnTile)
	// Bytes is the memory that New(headDim) takes.
	Bytes(headDim int) int
}

// Multiplies reports whether one of the matrices is multiplied in that form; it may be nil.
func (m *Many) Multiplies(ws ...tensor.Tensor) bool {
	return m != nil && slices.ContainsFunc(ws, func(w tensor.Tensor) bool { return m.In(w.Type) })
}

// Go is the plain-Go tier, which runs everywhere.
var Go = &Tier{
	Name:     "go",
	MatMul:   generic.MatMul,
	Quantize: generic.Quantize,
	Group:    16,
	RMSNorm:  generic.RMSNorm,
	Rope:     generic.Rope,
	SwiGLU:   generic.SwiGLU,
	Add:      generic.Add,
	Scale:    generic.Scale,
	Halves:   generic.Halves,
	Attend:   generic.Attend,
	Merge:    generic.Merge,
	Integer:  true,
}

// Go32 is plain Go with activations in groups of 32, the arithmetic of tiers in which
// those of 16 take more than a tenth of the time. It is none of [All].
var Go32 = func() *Tier {
	t := *Go
	t.Name, t.Group = "go32", 32
	t.MatMul, t.Quantize = generic.MatMul32, generic.Quantize32
	return &t
}()

// GoWords is Go32 with activations in 16 bits where the others have two planes of 8.
var GoWords = func() *Tier {
	t := *Go32
	t.Name, t.Words = "gowords", generic.QuantizeWords
	return &t
}()

// Plain returns the plain-Go tier that defines the bits of t.
func (t *Tier) Plain() *Tier {
	switch {
	case t.Words != nil:
		return GoWords
	case t.Group == Go32.Group:
		return Go32
	}
	return Go
}

// registered are all tiers of the program, fastest first.
var registered = []*Tier{Go}

// Register adds a tier that is faster than those before it. A package is
// initialised after those that it imports, so one whose ISA has another's as
// its base registers its tiers later.
func Register(t *Tier) { registered = append([]*Tier{t}, registered...) }

// Exact is the tier of --exact: weights as float32, activations as they are.
// What is not a product of a matrix gives the same bits in all tiers.
func Exact() *Tier {
	t := *All()[0]
	t.Name = exact
	t.MatMul, t.Panels = generic.MatMulExact, nil
	t.Integer, t.Many, t.Floats, t.Fast = false, nil, nil, nil
	return &t
}

const exact = "exact"

// Exact reports whether the tier is that of --exact.
func (t *Tier) Exact() bool { return t.Name == exact }

// Repacks reports whether the tier multiplies w in panels.
func (t *Tier) Repacks(w tensor.Tensor) bool { return t.Panels != nil && t.Panels.Fits(w.Type, w.Cols) }

// All returns the tiers that this machine can run, fastest first.
func All() (list []*Tier) {
	for _, t := range registered {
		if t.ISA.Here() {
			list = append(list, t)
		}
	}
	return list
}

// Names returns the names of [All].
func Names() (list []string) {
	for _, t := range All() {
		list = append(list, t.Name)
	}
	return list
}

// Instructions returns the names of the instruction sets that kernels make use of
// and this machine has.
func Instructions() []string {
	names := []string{}
	for _, t := range slices.Backward(registered) {
		for isa := t.ISA; isa != nil; isa = isa.Base {
			for _, f := range isa.Features {
				if cpuid.CPU.Supports(f) && !slices.Contains(names, f.String()) {
					names = append(names, f.String())
				}
			}
		}
	}
	return names
}

// ByName returns one of [All]; the fastest for an empty name.
func ByName(name string) (*Tier, error) {
	for _, t := range All() {
		if name == "" || strings.EqualFold(t.Name, name) {
			return t, nil
		}
	}
	return nil, fmt.Errorf("no kernels %q on this machine; choose one of %s", name, strings.Join(Names(), ", "))
}
