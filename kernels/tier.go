// Package kernels is qgo's compute on CPUs: matrix products, norms, rotary
// positions and attention in tiers for the instruction sets of the machine,
// and the pool of workers that runs them.
package kernels

import (
	"fmt"
	"strings"

	"qgo/kernels/generic"
	"qgo/kernels/panel"
	"qgo/tensor"
)

// Tier is a set of kernels for one level of instruction set. Every function
// does what the function of that name in package generic does. Tiers are
// values: one process may use several, as the tests do.
type Tier struct {
	Name     string
	MatMul   func(dst []float32, stride int, w tensor.Tensor, r0, r1 int, x *tensor.Acts, s *generic.Scratch)
	Quantize func(x []float32, dst []tensor.Block)
	RMSNorm  func(dst, x, w []float32, eps float32)
	Rope     func(x, cos, sin []float32)
	SwiGLU   func(gate, up []float32)
	Add      func(dst, x []float32)
	Scale    func(dst, x []float32, f float32)
	Halves   func(dst []byte, x []float32)
	Attend   func(t *generic.AttnTile, s *generic.AttnScratch)
	Merge    func(acc []float32, max1, sum1 float32, acc2 []float32, max2, sum2 float32) (float32, float32)
	// Panels are the kernels for weights in panels, for some types of weights;
	// MatMul is for the others.
	Panels *panel.Kernels
	// Fused reports whether Attend adds products without rounding them before,
	// where heads are a multiple of 16 values. Plain Go, in which that is slow,
	// rounds them.
	Fused bool
	// Integer reports whether MatMul reads the quantised activations for
	// integer weights.
	Integer bool
}

// Go is the plain-Go tier, which runs everywhere.
func Go() *Tier {
	return &Tier{
		Name:     "go",
		MatMul:   generic.MatMul,
		Quantize: generic.Quantize,
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
}

// Exact is the tier of --exact: weights as float32, activations as they are.
// What is not a product of a matrix gives the same bits in all tiers.
func Exact() *Tier {
	t := Tiers()[0]
	t.Name = "exact"
	t.MatMul, t.Panels = generic.MatMulExact, nil
	t.Integer = false
	return t
}

// Repacks reports whether the tier multiplies w in panels.
func (t *Tier) Repacks(w tensor.Tensor) bool {
	return t.Panels != nil && len(t.Panels[w.Type]) > 0 && panel.Fits(w.Type, w.Cols)
}

// Tiers returns the tiers that this machine can run, fastest first.
func Tiers() []*Tier { return append(native(), Go()) }

// TierByName returns one of [Tiers]; the fastest for an empty name.
func TierByName(name string) (*Tier, error) {
	var names []string
	for _, t := range Tiers() {
		if name == "" || t.Name == name {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return nil, fmt.Errorf("no kernels %q on this machine; choose one of %s", name, strings.Join(names, ", "))
}
