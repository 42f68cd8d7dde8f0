package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"qgo/kernels/asm/loop"
	"qgo/quant"
)

// What the kernels are written for: see kernels/cuda/src/matmul.h.
const (
	group      = 32 // weights with a scale
	chunk      = 32 // groups that a warp of matvec1 multiplies at a time
	vecThreads = 128
	vecRows    = 4 // rows of weights of a warp of matvec1
	gemmTile   = 64
	gemmThread = 64
)

// tiling is how a kernel of prefill tiles the rows of x.
type tiling struct {
	kernel   string
	tile     int // rows of x a block
	products int // a thread, for each weight of a row
}

var tilings = []tiling{{"gemm16_", 16, 4 * 4}, {"gemm32_", 32, 8 * 4}, {"gemm64_", 64, 8 * 8}}

// tilingOf returns that of n rows of x, as kernels/cuda/run.go chooses it.
func tilingOf(n int) tiling {
	i := slices.IndexFunc(tilings[:len(tilings)-1], func(t tiling) bool { return n <= t.tile })
	if i < 0 {
		i = len(tilings) - 1
	}
	return tilings[i]
}

// work is what a thread executes: each time through its main loop, which makes
// some number of products, and once besides.
type work struct {
	products   float64
	loop, once counts
}

// perProduct is the main loop's part of a product.
func (w work) perProduct() counts { return w.loop.per(w.products) }

// matvec counts the work of decode: the loop over the groups of a row, in which
// a lane multiplies a group of each of its rows.
func (k *kernel) matvec() (work, error) { return k.work(group * vecRows) }

// gemm counts the work of prefill: the loop over groups, in which a thread adds
// to each of its outputs.
func (k *kernel) gemm(t tiling) (work, error) { return k.work(group * t.products) }

// work counts instructions of a kernel whose longest loop has so many products.
// Loops inside it are iterated until there are as many.
func (k *kernel) work(products int) (w work, err error) {
	loops := loop.Find(k.code)
	if len(loops) == 0 {
		return w, fmt.Errorf("%s has no loop", k.name)
	}
	main := loop.Longest(loops)
	inside := 0.0 // products of the loops in it
	for _, in := range main.Inner {
		c, err := count(texts(k.code[in.First : in.Last+1]))
		if err != nil {
			return w, fmt.Errorf("%s: %w", k.name, err)
		}
		inside += c.products
	}
	if w.loop, err = count(loop.Trace(k.code, main, func(*loop.Loop) int { return max(1, int(float64(products)/max(inside, 1))) })); err != nil {
		return w, fmt.Errorf("%s: %w", k.name, err)
	}
	outside := append(texts(k.code[:main.First]), texts(k.code[main.Last+1:])...)
	if w.once, err = count(outside); err != nil {
		return w, fmt.Errorf("%s: %w", k.name, err)
	}
	w.products = float64(products)
	if w.loop.products < w.products {
		return w, fmt.Errorf("%s: its main loop has %g products, not %d: compare the constants of loops.go with matmul.h", k.name, w.loop.products, products)
	}
	return w, nil
}

// attention counts the lane operations for a product of attention: of the loops
// in the loop over positions that make products.
func (k *kernel) attention() (counts, error) {
	loops := loop.Find(k.code)
	if len(loops) == 0 {
		return counts{}, fmt.Errorf("%s has no loop", k.name)
	}
	var lines []string
	for _, in := range loop.Longest(loops).Inner {
		c, err := count(texts(k.code[in.First : in.Last+1]))
		if err != nil {
			return counts{}, fmt.Errorf("%s: %w", k.name, err)
		}
		if c.products > 0 {
			lines = append(lines, texts(k.code[in.First:in.Last+1])...)
		}
	}
	c, err := count(lines)
	if err != nil || c.products == 0 {
		return counts{}, fmt.Errorf("%s: no products in its loop over positions: %w", k.name, err)
	}
	return c.per(c.products), nil
}

func texts(code []loop.Instruction) (t []string) {
	for _, in := range code {
		t = append(t, in.Text)
	}
	return t
}

// budget is the number of lane operations for which the SM has time while memory
// gives a weight of a type.
func budget(typ string) float64 {
	t, err := quant.ParseType(typ)
	if err != nil {
		return math.NaN()
	}
	return t.Bits() / 8 / bandwidth * lanes * clock
}

// typeOf returns the type of weights in a name such as matvec1_Q4_0.
func typeOf(k *kernel) string {
	_, typ, _ := strings.Cut(k.name, "_")
	return typ
}
