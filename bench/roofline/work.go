// Package roofline says how fast a model can run at most on a machine: it
// counts what a token reads and computes, and divides by what the machine can
// do (Williams, Waterman and Patterson 2009, "Roofline: an insightful visual
// performance model"). docs/roofline.md derives the formulas.
package roofline

import (
	"math"

	"qgo/model"
)

// Work is what a phase must do at the least.
type Work struct {
	Tokens int     `json:"tokens"`
	FLOP   float64 `json:"flop"`  // two for a multiplication and its addition
	Bytes  float64 `json:"bytes"` // read from memory
	// Launches is the number of kernels that a GPU is told to run, one after
	// the other.
	Launches float64 `json:"launches,omitempty"`
	// Exchanges is the number of vectors that blocks of a GPU's kernels make together and
	// all of them want, one after the other.
	Exchanges float64 `json:"exchanges,omitempty"`
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
	batches := math.Ceil(float64(n) / float64(batch))
	before := batches*float64(depth) + float64(batch)*batches*(batches-1)/2 // positions, over all batches
	w.Bytes += batches*float64(c.Weights-c.HeadW) + before*float64(c.KVRow)
	return w
}
