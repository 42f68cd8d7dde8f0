// Package roofline says how fast a model can run at most on a machine: it
// counts what a token reads and computes, and divides by what the machine can
// do (Williams, Waterman and Patterson 2009, "Roofline: an insightful visual
// performance model"). docs/roofline.md derives the formulas.
package roofline

import (
	"qgo/model"
)

// Work is what a phase must do at the least.
type Work struct {
	Tokens int     `json:"tokens"`
	FLOP   float64 `json:"flop"`  // two for a multiplication and its addition
	Bytes  float64 `json:"bytes"` // read from memory
}

// Intensity is the number of operations per byte.
func (w Work) Intensity() float64 { return w.FLOP / w.Bytes }

// Decode is the work of one token that follows depth others: all weights and
// the keys and values of all positions are read once.
func Decode(c model.Cost, depth int) Work {
	return Work{Tokens: 1, FLOP: float64(c.FLOP(depth)), Bytes: float64(c.Bytes(depth))}
}

// DecodeMean is the mean work of n tokens decoded one after the other after
// depth others.
func DecodeMean(c model.Cost, n, depth int) Work {
	mean := float64(depth) + float64(max(n, 1)-1)/2
	return Work{
		Tokens: 1,
		FLOP:   2 * (float64(c.MACs) + mean*float64(c.KVMACs)),
		Bytes:  float64(c.Weights) + mean*float64(c.KVRow),
	}
}

// Prefill is the work of a prompt of n tokens that follow depth others, in
// batches of at most batch tokens. A batch reads the weights once, and the
// keys and values of the positions before it; the head is needed once, for
// the last token.
func Prefill(c model.Cost, n, depth, batch int) Work {
	w := Work{Tokens: n, FLOP: float64(c.PrefillFLOP(n, depth)), Bytes: float64(c.HeadW)}
	for at := 0; at < n; at += batch {
		w.Bytes += float64(c.Weights-c.HeadW) + float64(depth+at)*float64(c.KVRow)
	}
	return w
}

// What binds a phase.
const (
	Memory  = "memory"
	Compute = "compute"
)

// Bound is the least time that a machine needs for some work.
type Bound struct {
	Work
	Intensity  float64 `json:"flop_per_byte"`
	Ridge      float64 `json:"ridge_flop_per_byte"` // of the machine; 0 if no peak is known
	MemoryRate float64 `json:"memory_tokens_per_second"`
	FLOPRate   float64 `json:"compute_tokens_per_second"` // 0 if no peak is known
	Rate       float64 `json:"tokens_per_second"`         // the lower of the two
	Binds      string  `json:"binds"`
}

// Bound returns the bound for work on a machine with that bandwidth in bytes
// and that peak in operations a second, 0 for an unknown one.
func (w Work) Bound(bandwidth, peak float64) Bound {
	b := Bound{Work: w, Intensity: w.Intensity(), Binds: Memory}
	n := float64(w.Tokens)
	b.MemoryRate = n * bandwidth / w.Bytes
	b.Rate = b.MemoryRate
	if peak > 0 {
		b.Ridge = peak / bandwidth
		b.FLOPRate = n * peak / w.FLOP
		if b.FLOPRate < b.Rate {
			b.Rate, b.Binds = b.FLOPRate, Compute
		}
	}
	return b
}
