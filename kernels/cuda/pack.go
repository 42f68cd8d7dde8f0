package cuda

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

// The form of weights on the GPU. A row is cut into groups of 32 weights, and
// the parts of all groups stand in planes of their own, aligned so that a
// kernel reads whole words:
//
//	codes:  the first 2, 4 or 8 words of the codes, or the numbers themselves
//	high:   the words above, if there are any
//	scales: for each group a float16, or two of them with a minimum; of
//	        K-quants, 8 bits for each scale and minimum of the file
//	supers: the float16 numbers that those are multiplied with, for 8 groups
//
// The 32 codes of n bits take n words of 32 bits. Each word holds as many whole
// codes as it can. Those of 3 and 5 bits are pairs of neighbours, one in either half of the
// word, which leaves the highest bit of each half, and the last two codes, which stand in
// those: the lowest bits in the first word. Of 6 bits the two highest bits of each word are
// left for the last two codes: the highest bits in the first word. So a kernel needs a single
// mask for a code, or a pair, and never has to put one together from two planes.
//
// Codes of a group take 8 bytes or several pieces of 16. The pieces of up to 32
// groups of a row are interleaved: first the first piece of each.
const (
	groupLen  = 32
	chunkLen  = 32 // groups whose pieces are interleaved
	pieceLen  = 16
	superLen  = 8 // groups
	planeSize = 256

	scalesRead = 16 // bytes that kernels read from any group's scales on: see src/fragments.h
)

// format is how a type of weights is stored.
type format struct {
	*quant.Format
	low, high int // words of a group in the planes
	scales    int // bytes a group
	supers    int // bytes for superLen groups
}

func formatOf(t quant.Type) format {
	f := format{Format: t.Format()}
	if !t.Integer() {
		f.low = 8 * f.Bytes
		return f
	}
	f.low, f.high = f.Low, f.High
	if f.scales = 2 * len(f.Halves); f.Super {
		f.supers = f.scales
		if f.scales = groupLen / f.Group; f.Minima && f.Group == groupLen {
			f.scales = 2
		}
	}
	return f
}

// planeBytes are what so many groups take in each plane: codes, high, scales, supers.
func (f format) planeBytes(groups int64) [4]int64 {
	return [4]int64{
		groups * groupLen * int64(f.low) / 8, groups * groupLen * int64(f.high) / 8,
		groups * int64(f.scales), groups / superLen * int64(f.supers),
	}
}

// planes are the offsets of a matrix's planes, and its size, in bytes.
type planes struct{ codes, high, scales, supers, size int64 }

// layout returns where the planes of a matrix stand.
func layout(t quant.Type, rows, cols int) planes {
	bytes := formatOf(t).planeBytes(int64(rows) * int64(cols/groupLen))
	var p planes
	next := int64(0)
	if bytes[2] > 0 {
		bytes[2] += scalesRead
	}
	for i, at := range []*int64{&p.codes, &p.high, &p.scales, &p.supers} {
		*at = next
		next += (bytes[i] + planeSize - 1) / planeSize * planeSize
	}
	p.size = next
	return p
}

// fits returns an error if the kernels cannot multiply a matrix.
func fits(w tensor.Tensor) error {
	if !w.Type.HasKernels() {
		return fmt.Errorf("cuda: no kernels for weights of type %v", w.Type)
	}
	if w.Cols%groupLen != 0 {
		return fmt.Errorf("cuda: rows of %d weights; the kernels need a multiple of %d", w.Cols, groupLen)
	}
	return nil
}

// A packer writes rows of weights in the GPU's form.
type packer struct {
	w      tensor.Tensor
	f      format
	codes  *codec.Codes
	scales *codec.Scales
	tmp    [groupLen]byte
}

func newPacker(w tensor.Tensor) *packer {
	p := &packer{w: w, f: formatOf(w.Type)}
	if w.Type.Integer() {
		p.codes, p.scales = codec.NewCodes(w.Cols), codec.NewScales(w.Cols)
	}
	return p
}

// row writes row i to its planes. Each of those begins with row first.
func (p *packer) row(i, first int, codes, high, scales, supers []byte) {
	src, groups := p.w.Row(i), p.w.Cols/groupLen
	if p.codes != nil {
		p.codes.Numbers(p.w.Type, src)
		p.scales.Read(p.w.Type, src)
	}
	n := groups * groupLen * p.f.low / 8
	codes = codes[(i-first)*n:][:n]
	n = groups * groupLen * p.f.high / 8
	if n > 0 {
		high = high[(i-first)*n:][:n]
	}
	for g := range groups {
		rest := p.group(src, g, groups, codes)
		copy(high[g*len(rest):], rest)
	}
	if p.codes == nil {
		return
	}
	p.rowScales(groups, scales[(i-first)*groups*p.f.scales:], supers[(i-first)*(groups/superLen)*p.f.supers:])
}

// group writes the words of a group's codes that belong to that plane, or its
// numbers, and returns the words that belong to the other.
func (p *packer) group(src []byte, g, groups int, row []byte) (rest []byte) {
	size := groupLen * p.f.low / 8
	var data []byte
	switch {
	case p.codes == nil:
		data = src[g*size:][:size]
	default:
		bits := p.f.low + p.f.high
		packCodes(p.tmp[:4*bits], (*[groupLen]byte)(p.codes.Q[g*groupLen:]), bits)
		data, rest = p.tmp[:size], p.tmp[size:4*bits]
	}
	// The place of the pieces: see above.
	first := g / chunkLen * chunkLen
	between := pieceLen * min(chunkLen, groups-first)
	to := row[first*size:]
	if size < pieceLen {
		copy(to[(g-first)*size:][:size], data)
		return rest
	}
	to = to[(g-first)*pieceLen:]
	for k := 0; ; k++ {
		*(*[pieceLen]byte)(to) = *(*[pieceLen]byte)(data[k*pieceLen:])
		if (k+1)*pieceLen == size {
			break
		}
		to = to[between:]
	}
	return rest
}

// packCodes writes a group's codes of so many bits: see above.
func packCodes(dst []byte, codes *[groupLen]byte, bits int) {
	le := binary.LittleEndian
	switch bits {
	case 8:
		copy(dst, codes[:])
		return
	case 4:
		for w := range 4 {
			// Neighbours come together in bytes, those in pairs of bytes, and those in words.
			x := le.Uint64(codes[8*w:])
			x = (x | x>>4) & 0x00ff00ff00ff00ff
			x = (x | x>>8) & 0x0000ffff0000ffff
			le.PutUint32(dst[4*w:], uint32(x|x>>16))
		}
		return
	case 3, 5:
		last := codes[groupLen-2:]
		ofHalf := 16 / bits
		for w := range bits {
			word := uint32(last[0]>>w&1)<<15 | uint32(last[1]>>w&1)<<31
			for i := range ofHalf {
				pair := codes[2*(w*ofHalf+i):]
				word |= (uint32(pair[0]) | uint32(pair[1])<<16) << (i * bits)
			}
			le.PutUint32(dst[4*w:], word)
		}
		return
	}
	each := 32 / bits
	cut := uint32(0)
	for i, c := range codes[each*bits:] {
		cut |= uint32(c) << (i * bits & 31)
	}
	rest := codes[:]
	for w := range bits {
		word := cut >> (2 * (bits - 1 - w) & 31) & 3 << 30
		for i, c := range rest[:each] {
			word |= uint32(c) << (i * bits & 31)
		}
		rest = rest[each:]
		le.PutUint32(dst[4*w:], word)
	}
}

// rowScales writes the scales of a row.
func (p *packer) rowScales(groups int, scales, supers []byte) {
	le, s := binary.LittleEndian, p.scales
	if p.f.supers == 0 {
		for g := range groups {
			le.PutUint16(scales[g*p.f.scales:], s.D[g])
			if p.f.scales == 4 {
				le.PutUint16(scales[g*4+2:], s.Min[g])
			}
		}
		return
	}
	for k := range groups / superLen {
		le.PutUint16(supers[k*p.f.supers:], s.D[k])
		if p.f.supers == 4 {
			le.PutUint16(supers[k*4+2:], s.Min[k])
		}
	}
	switch {
	case !p.f.Minima:
		copy(scales[:p.f.scales*groups], s.Sub)
	case p.f.Group == groupLen:
		for g := range groups {
			scales[2*g], scales[2*g+1] = s.Sub[g], s.SubMin[g]
		}
	default: // two scales of 4 bits, each with its minimum
		for i := range 2 * groups {
			scales[i] = s.Sub[i] | s.SubMin[i]<<4
		}
	}
}

// packMatrix returns a whole matrix in the GPU's form, brought into it by so many workers.
func packMatrix(w tensor.Tensor, workers int) []byte {
	at := layout(w.Type, w.Rows, w.Cols)
	data := make([]byte, at.size)
	share(w.Rows, workers, func(lo, hi int) {
		p := newPacker(w)
		for i := lo; i < hi; i++ {
			p.row(i, 0, data[at.codes:at.high], data[at.high:at.scales], data[at.scales:at.supers], data[at.supers:])
		}
	})
	return slices.Clip(data)
}

// share has workers do parts of n items, and returns when all have done theirs. If one panics,
// as when a mapped file cannot be read, so does share.
func share(n, workers int, do func(lo, hi int)) {
	workers = max(1, min(workers, n))
	panics := make([]any, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() { panics[i] = recover() }()
			do(n*i/workers, n*(i+1)/workers)
		})
	}
	wg.Wait()
	for _, v := range panics {
		if v != nil {
			panic(v)
		}
	}
}
