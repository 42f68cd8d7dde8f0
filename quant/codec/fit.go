package codec

import (
	"math"
	"math/bits"
)

// The formats with 2 to 6 bits look for the scale of least squared error among
// some that map the extreme value of a group to codes around its extreme code.
// Computing the codes of every weight for every scale would be slow. From one
// scale to the next only a few codes change, and where they do is known: where
// a weight passes the edge between two codes. So each weight leaves its sums
// at the first scale, and what it adds to them at the scales where it goes one
// code further; running totals of these are the sums for every scale.

// A ladder is the codes, by magnitude, for weights of one sign.
type ladder struct {
	rungs [64]rung
	// at is the number of the rung for twice the magnitude, rounded down: all
	// edges are multiples of one half.
	at [256]uint8
}

// A rung is a code, and the way to the next two.
type rung struct {
	value int
	sums  sums // of the code alone

	edge, edge2 float32 // magnitudes from which the next codes are nearer, in strides; +Inf if there is none
	step, step2 int     // differences of the values
	more, more2 sums    // differences of the sums
}

// sums are those of a least-squares fit of codes q to weights x, none of them
// negative, in one number, so that one addition adds to all:
//
//	the sum of q·q in bits 0 to 19 (at most 32·127²),
//	of q in bits 20 to 33, and of q·x from bit 34, in units of 1/weightUnit.
type sums uint64

const (
	shiftQ, shiftXQ = 20, 34
	weightUnit      = 1 << 16
)

func sumsOf(q int) sums { return sums(q)<<shiftQ + sums(q*q) }

func (s sums) qq() float32 { return float32(s & (1<<shiftQ - 1)) }
func (s sums) q() float32  { return float32(s >> shiftQ & (1<<(shiftXQ-shiftQ) - 1)) }
func (s sums) xq() float32 { return float32(s>>shiftXQ) / weightUnit }

// newLadder makes a ladder of codes with rising magnitudes.
func newLadder(values []int, stride float32) (l ladder) {
	inf := float32(math.Inf(1))
	for i, v := range values {
		l.rungs[i] = rung{value: v, sums: sumsOf(v), edge: inf, edge2: inf}
	}
	level := 0
	for i := range l.at {
		for level+1 < len(values) && i >= values[level]+values[level+1] {
			level++
		}
		l.at[i] = uint8(level)
	}
	for i := len(values) - 2; i >= 0; i-- {
		r, next := &l.rungs[i], &l.rungs[i+1]
		r.edge, r.step, r.more = float32(r.value+next.value)/2/stride, next.value-r.value, next.sums-r.sums
		r.edge2, r.step2, r.more2 = next.edge, next.step, next.more
	}
	return l
}

// A scan is a row of scales to try. With the group's weights divided by the
// extreme one, they are 1/(from + i*stride).
type scan struct {
	from, stride float32
	tries        int       // at most maxTries
	sign         [2]ladder // for weights of the extreme one's sign, and of the other
}

const maxTries = 11

// table has sums for every scale, and places for what is not needed.
type table [maxTries + maxGroup]sums

// maxGroup is the number of weights in a group.
const maxGroup = 32

// run computes the sums for the weights factor*(x[i]+shift), of magnitudes up
// to 1. out is zero.
func (s *scan) run(out *table, x []float32, shift, factor float32) {
	first, twice := s.from/s.stride-1, 2*s.from
	tries := uint(s.tries)
	var sum sums
	for i, v := range x[:min(len(x), maxGroup)] {
		b := math.Float32bits((v + shift) * factor)
		magnitude := math.Float32frombits(b &^ (1 << 31))
		l := &s.sign[b>>31]
		r := &l.rungs[l.at[uint8(int32(twice*magnitude))]&63]
		weight := int(magnitude*weightUnit + 0.5)
		sum += r.sums + sums(weight*r.value)<<shiftXQ
		// No weight goes further than two codes. Steps behind the last scale,
		// and infinite ones, fall into places behind it: one for each weight,
		// because additions to the same place wait for each other.
		inv := 1 / magnitude
		nowhere := tries + uint(i)
		out[choose(uint(int(r.edge*inv-first)), tries, nowhere)] += r.more + sums(weight*r.step)<<shiftXQ
		out[choose(uint(int(r.edge2*inv-first)), tries, nowhere)] += r.more2 + sums(weight*r.step2)<<shiftXQ
	}
	for i := range out[:s.tries] {
		sum += out[i]
		out[i] = sum
	}
}

// choose returns i if it is from 0 to n-1, else or. No branch predictor could
// guess which.
func choose(i, n, or uint) uint {
	_, inside := bits.Sub(i, n, 0)
	return or ^ (i^or)&-inside
}

func newScan(from, stride float32, tries int, same, other []int) *scan {
	return &scan{from: from, stride: stride, tries: tries, sign: [2]ladder{newLadder(same, stride), newLadder(other, stride)}}
}

// integers returns the values from 0 to n.
func integers(n int) []int {
	v := make([]int, n+1)
	for i := range v {
		v[i] = i
	}
	return v
}

// signedScan is for codes from -n to n-1: the extreme weight becomes -n.
func signedScan(n int) *scan {
	return newScan(float32(n)-0.9, 0.2, 10, integers(n), integers(n-1))
}

// rangeScan is for codes from 0 to n of weights that are not negative.
func rangeScan(n int) *scan {
	return newScan(float32(n)-1, 0.2, 11, integers(n), nil)
}

var (
	scanQ2 = rangeScan(3)
	scanQ4 = rangeScan(15)
	scanQ5 = rangeScan(31)
	scanQ3 = signedScan(4)
	scanQ6 = signedScan(32)
)

// scale returns the scale d of least squared error for x ≈ d*q with codes q
// of the scan.
func (s *scan) scale(x []float32) float32 {
	top := extreme(x)
	if abs(top) < 1e-30 {
		return 0
	}
	var t table
	s.run(&t, x, 0, 1/top)
	var xq, qq float32 = 0, 1
	for _, u := range t[:s.tries] {
		if a, b := u.xq(), u.qq(); a*a*qq > xq*xq*b {
			xq, qq = a, b
		}
	}
	return -top * xq / qq
}

// scaleMin returns the scale d and the minimum m >= 0 of least squared error
// for x ≈ d*q - m. Each range of codes gives codes, and the codes a linear
// regression.
func (s *scan) scaleMin(x []float32) (scale, minimum float32) {
	lo, hi := bounds(x)
	lo = min(lo, 0)
	width := hi - lo
	if width < 1e-30 {
		return 0, -lo
	}
	var t table
	s.run(&t, x, -lo, 1/width)
	var su float32 // of the weights as the scan sees them
	for _, v := range x {
		su += v - lo
	}
	su /= width
	count, shift := float32(len(x)), lo/width
	sx := su + count*shift // of the weights divided by the width
	best := float32(-1)
	for _, u := range t[:s.tries] {
		q, qq := u.q(), u.qq()
		xq := u.xq() + shift*q
		slope, det := count*xq-sx*q, count*qq-q*q
		// What the fit takes away from the sum of the squared weights.
		m := qq*sx - q*xq
		var gain float32
		if m < 0 && det > 0 {
			gain = (sx*sx + slope*slope/det) / count
		} else { // through the origin
			gain = xq * xq / qq
		}
		if gain > best {
			best, scale, minimum = gain, slope/det, -m/det
			if m >= 0 || det <= 0 {
				scale, minimum = xq/qq, 0
			}
		}
	}
	return scale * width, minimum * width
}
