package panel

import (
	"encoding/binary"
	"runtime"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

var le = binary.LittleEndian

// packer is room for laying out matrices of up to some number of columns.
type packer struct {
	codes  [Rows]codec.Codes
	scales [Rows]codec.Scales
	zeros  []byte // a row of the last panel that the matrix does not have
}

// NewPacker returns room for rows of up to cols weights.
func (k *Kernels) NewPacker(cols int) Packer {
	p := &packer{zeros: make([]byte, 4*cols)}
	for r := range Rows {
		p.codes[r], p.scales[r] = *codec.NewCodes(cols), *codec.NewScales(cols)
	}
	return p
}

// PackerBytes is the memory that NewPacker(cols) takes.
func (k *Kernels) PackerBytes(cols int) int { return 4*cols + Rows*(cols+cols/16*10+cols/32*4) }

// Pack lays out panels [lo, hi) of w.
func (p *packer) Pack(m *Matrix, w tensor.Tensor, lo, hi int) {
	n := panelBytes(w.Type, w.Cols)
	for i := lo; i < hi; i++ {
		var rows [Rows][]byte
		for r := range rows {
			if at := i*Rows + r; at < w.Rows {
				rows[r] = w.Row(at)
			} else {
				rows[r] = p.zeros[:w.RowBytes()]
			}
		}
		panel := m.Data[i*n : (i+1)*n]
		if w.Type.Integer() {
			p.pack(panel, w.Type, w.Cols, &rows)
		} else {
			interleave(panel, w.Type.BlockBytes(), &rows)
		}
	}
}

// interleave writes values of size bytes column after column.
func interleave(dst []byte, size int, rows *[Rows][]byte) {
	for r, row := range rows {
		for j := 0; j < len(row)/size; j++ {
			to := (j*Rows + r) * size
			if size == 2 {
				le.PutUint16(dst[to:], le.Uint16(row[2*j:]))
			} else {
				le.PutUint32(dst[to:], le.Uint32(row[4*j:]))
			}
		}
	}
}

// pack lays out one panel of integer weights.
func (p *packer) pack(dst []byte, t quant.Type, cols int, rows *[Rows][]byte) {
	l := layoutOf(t)
	for r, row := range rows {
		if l.InOrder {
			packBlocks(dst, t, row, r)
		} else {
			p.packCodes(dst, t, cols, row, r)
		}
	}
}

// packCodes lays out row r of any type.
func (p *packer) packCodes(dst []byte, t quant.Type, cols int, row []byte, r int) {
	l, s := layoutOf(t), &p.scales[r]
	p.codes[r].Unpack(t, row)
	p.codes[r].Restore()
	s.Read(t, row)
	for tile := range cols / tileCols {
		scales, codes := l.tile(tile)
		switch {
		case !l.Super:
			packScales(dst[scales:], s, tile, r, l)
		case tile%superTiles == 0:
			packScales(dst[scales-headBytes:], s, tile/superTiles, r, l)
		}
		if l.Super {
			packSubScales(dst[scales:], s, tile, r, l)
		}
		packTile(dst[codes:], p.codes[r].Q[tile*tileCols:], r, l)
	}
}

// packBlocks lays out row r of a type with blocks of 32 weights whose bytes are in
// the order of a tile already: 4-bit codes are halves of bytes with numbers 16
// apart.
func packBlocks(dst []byte, t quant.Type, row []byte, r int) {
	l, size := layoutOf(t), t.BlockBytes()
	scales, codes := 2*r, 2*l.scaleBytes()+4*r
	for tile := 0; len(row) >= size; tile++ {
		b := row[:size]
		row = row[size:]
		le.PutUint16(dst[scales:], le.Uint16(b))
		b = b[2:]
		if l.Minima {
			le.PutUint16(dst[scales+2*Rows:], le.Uint16(b))
			b = b[2:]
		}
		out := dst[codes:]
		if l.Low == 8 {
			for v := range 8 {
				le.PutUint32(out[planeBytes*v:], le.Uint32(b[4*v:])^signs())
			}
		} else {
			if l.High == 1 {
				le.PutUint32(out[4*planeBytes:], transposeBits(le.Uint32(b)))
				b = b[4:]
			}
			for p := range 4 {
				le.PutUint32(out[planeBytes*p:], le.Uint32(b[4*p:]))
			}
		}
		if tile%2 == 0 {
			scales, codes = scales+l.scaleBytes(), codes+l.tileBytes()
		} else {
			scales, codes = scales+l.pairBytes()-l.scaleBytes(), codes+l.pairBytes()-l.tileBytes()
		}
	}
}

// signBits are those of four bytes.
const signBits = 0x80808080

// signs turns four codes of Q8_0 from signed into unsigned bytes, since VPDPBUSD
// multiplies those by signed ones; arm64 multiplies signed by signed bytes.
func signs() uint32 {
	if runtime.GOARCH == "arm64" {
		return 0
	}
	return signBits
}

// transposeBits moves bit 4v+k to bit v of byte k.
func transposeBits(w uint32) (t uint32) {
	for k := range 4 {
		x := w >> k & 0x11111111
		x = (x | x>>3) & 0x03030303
		x = (x | x>>6) & 0x000f000f
		t |= (x | x>>12) & 0xff << (8 * k)
	}
	return t
}

// packScales writes the scale, and the minimum if there is one, of block k of row
// r.
func packScales(out []byte, s *codec.Scales, k, r int, l *layout) {
	le.PutUint16(out[2*r:], s.D[k])
	if l.Minima {
		le.PutUint16(out[2*Rows+2*r:], s.Min[k])
	}
}

// packSubScales writes the small scales of a K-quant's tile of row r.
func packSubScales(out []byte, s *codec.Scales, tile, r int, l *layout) {
	switch {
	case l.Group == tileCols && l.Minima:
		out[r], out[Rows+r] = s.Sub[tile], s.SubMin[tile]
	case l.Group == tileCols:
		out[r] = s.Sub[tile]
	case l.Minima:
		out[r] = s.Sub[2*tile] | s.SubMin[2*tile]<<4
		out[Rows+r] = s.Sub[2*tile+1] | s.SubMin[2*tile+1]<<4
	default:
		out[r], out[Rows+r] = s.Sub[2*tile], s.Sub[2*tile+1]
	}
}

// packTile writes the codes q of a tile of row r.
func packTile(dst []byte, q []uint8, r int, l *layout) {
	var quads [8]uint32
	for v := range quads {
		quads[v] = le.Uint32(q[4*v:])
	}
	at := 4 * r // in a plane
	switch l.Low {
	case 8: // unsigned ones here, which become signed for kernels that want that
		for v, c := range quads {
			le.PutUint32(dst[planeBytes*v+at:], c^signBits^signs())
		}
	case 4:
		for v := range 4 {
			le.PutUint32(dst[planeBytes*v+at:], quads[v]&0x0f0f0f0f|quads[v+4]&0x0f0f0f0f<<4)
		}
	case 2:
		packPairs(dst[at:], &quads, 0)
	}
	at += l.Low * planeBytes
	switch l.High {
	case 1:
		var bits uint32
		for v, c := range quads {
			bits |= c >> l.Low & 0x01010101 << v
		}
		le.PutUint32(dst[at:], bits)
	case 2:
		packPairs(dst[at:], &quads, l.Low)
	}
}

// packPairs writes two bits of each code, from number shift on, to two planes.
func packPairs(out []byte, quads *[8]uint32, shift int) {
	for p := range 2 {
		var pairs uint32
		for k := range 4 {
			pairs |= quads[4*p+k] >> shift & 0x03030303 << (2 * k)
		}
		le.PutUint32(out[planeBytes*p:], pairs)
	}
}
