package cuda

import (
	"fmt"
	"math"
	"math/bits"
)

// batchShape is how a product with several rows of x is shared between blocks.
type batchShape struct {
	kernel               string
	few                  bool // rows of x are slots, not as batch wants them
	whole                bool // a block adds up the parts of its columns
	warps, bytes, blocks int
	shares               int // blocks for the same rows of x and the same columns
}

// shapeKey is what that of a matrix depends on.
type shapeKey struct{ length, n int }

// shapeOf returns how the products of n rows with a matrix are shared.
func (s *Stage) shapeOf(l *linear, length, n int) batchShape {
	key := shapeKey{length, n}
	shape, ok := l.shapes[key]
	if !ok {
		if l.shapes == nil {
			l.shapes = map[shapeKey]batchShape{}
		}
		shape = batchShapeOf(l, length, n, s.dev.info.SMs, s.dev.info.BlockMemory)
		l.shapes[key] = shape
	}
	return shape
}

// batchShapeOf returns that of a product with n rows of x on a GPU of so many multiprocessors, of
// which a block may have so much memory.
func batchShapeOf(l *linear, length, n, sms, memory int) batchShape {
	rows, parts := int(l.w.rows), ceil(stepsOf(int(l.w.cols)), length)
	few := batchShape{"few_", true, false, fewWarps, 0, ceil(ceil(rows, tileRows)*parts, fewWarps) * n, 0}
	if n == 1 {
		return few
	}
	if !l.typ.Integer() {
		if shape, cycles := floatsShapeOf(l, length, n, sms, memory); cycles < math.Inf(1) {
			return shape
		}
		return few
	}
	for ofX := mostOfXFor(n); ofX >= leastOfX; ofX /= 2 {
		var best batchShape
		least := math.Inf(1)
		for quads := 1; quads <= mostQuads; quads++ {
			for _, whole := range []bool{false, true} {
				if whole && (parts == 1 || parts > mostWhole) {
					continue
				}
				if shape, cycles := batchShareOf(l, length, n, ofX, quads, whole, sms, memory); cycles < least {
					best, least = shape, cycles
				}
			}
		}
		if least < math.Inf(1) {
			return best
		}
	}
	return few
}

// mostOfXFor is how many of n rows of x a block takes at the most.
func mostOfXFor(n int) int { return min(mostOfX, max(leastOfX, 1<<bits.Len(uint(n-1)))) }

// batchName is the name of a kernel for so many rows of x, without the type of weights.
func batchName(ofX int) string { return fmt.Sprintf("batch%d_", ofX) }

// floatsShapeOf returns the shape for weights that are floats that takes the fewest cycles, and about how many those
// are, or infinitely many if there is too little memory.
func floatsShapeOf(l *linear, length, n, sms, memory int) (best batchShape, least float64) {
	steps, least := stepsOf(int(l.w.cols)), math.Inf(1)
	parts := ceil(steps, length)
	for ofX := mostOfXFor(n); ofX >= leastOfX; ofX /= 2 {
		// Instructions of a warp for a step and around all of a part, by kernels' machine code.
		step, rest := 280+69*float64(ofX), 255+12*float64(ofX)
		bytes, blocks := memoryOfFloats(formatOf(l.typ), ofX), ceil(int(l.w.rows), floatRows)*parts*ceil(n, ofX)
		cycles := float64(ceil(blocks, sms)) * (step*float64(steps)/float64(parts) + rest)
		if bytes <= memory && cycles < least {
			best, least = batchShape{batchName(ofX), true, false, batchPhases, bytes, blocks, 0}, cycles
		}
	}
	return best, least
}

// memoryOfFloats is what a block has of memory for weights that are floats: FloatStage in src/floats.h, twice, and
// then FloatSums.
func memoryOfFloats(f format, ofX int) int {
	const stages, float, sumsOfRow = 2, 4, floatRows + 16
	return batchPhases * max(stages*groupLen*(floatRows*f.low/8+ofX*float), sumsOfRow*ofX*float)
}

const (
	mostQuads = batchThreads / warpLen / batchPhases // that a multiprocessor has registers for, of four warps each
	mostWhole = 4                                    // parts that one adds up
)

// byLane reports whether lanes read just the codes that they multiply: see kByLane in src/fragments.h.
func byLane(f format) bool { return f.high == 0 && f.low >= 4 }

// bytesOfX are what a group of a row of x takes: RowOfX, and its part of TailsOf.
func bytesOfX(f format) int {
	if f.Group == groupLen {
		return 64 + 8
	}
	return 64 + 12
}

// memoryOfBatch is what a block of so many quads has of memory: QuadMemory for each, and x.
func memoryOfBatch(f format, quads, steps, ofX int) int {
	const stages, tiles = 4, batchRows * (64 + 16)
	ofWarp, ofRow := 128*ofX, 4*(f.low+f.high)*batchPhases+16
	if !byLane(f) {
		ofWarp += tiles
	}
	return quads*(stages*batchRows*ofRow+batchPhases*ofWarp) + steps*batchPhases*ofX*bytesOfX(f)
}

// batchShareOf returns the shape of batch for blocks of so many quads and rows of x, and about how many
// cycles it takes, or infinitely many if that is not possible.
func batchShareOf(l *linear, length, n, ofX, quads int, whole bool, sms, memory int) (batchShape, float64) {
	f, steps := formatOf(l.typ), stepsOf(int(l.w.cols))
	ofBlock, parts, added := min(length, steps), ceil(steps, length), 1 // steps of a tile, parts of blocks, and parts that a block adds up
	if whole {
		ofBlock, parts, added = steps, 1, parts
	}
	bytes, tiles, passes := memoryOfBatch(f, quads, ofBlock, ofX), ceil(int(l.w.rows), batchRows), ceil(n, ofX)
	if bytes > memory || int64(l.w.rows)*int64(l.w.cols) > groupLen*math.MaxInt32 { // the kernel counts groups in 32 bits
		return batchShape{}, math.Inf(1)
	}
	const reserved = 1 << 10 // of a multiprocessor's memory, for each block
	together := min((memory+reserved)/(bytes+reserved), mostQuads/quads)
	kinds := parts * passes
	shares := min(max(1, sms*together/kinds), tiles)
	blocks := kinds * shares
	shape := batchShape{batchName(ofX), false, whole, quads * batchPhases, bytes, blocks, shares}

	// Instructions of a warp for a step, by kernels' machine code, and for what follows the last one.
	eights := float64(ofX / 8)
	step, end := 240+28*eights, 40+15*eights
	if byLane(f) {
		step = 130 + 28*eights
	}
	// A warp by itself waits for most of them; several of a scheduler take turns. Blocks that take much
	// memory do not begin while those of the launch in front are there.
	const alone, turn, perByte, perReserved, start = 3.8, 1.1, 1.0 / 30, 1.0 / 120, 1000
	ofSM, ofShare := min(together, ceil(blocks, sms)), ceil(tiles, shares)
	busy := float64(ofSM * min(quads, ofShare))
	tile := (float64(ofBlock)*step + float64(added)*end) * (alone + turn*(busy-1))
	copied := float64(ofSM) * (float64(ofBlock*batchPhases*ofX*bytesOfX(f))*perByte + float64(bytes)*perReserved)
	written := float64(parts*n*int(l.w.rows)*4) / float64(sms) * perByte * 3 // and read again
	return shape, float64(ceil(blocks, sms*together))*(start+copied+float64(ceil(ofShare, quads))*tile) + written
}
