package panel

import (
	"encoding/binary"

	"qgo/quant"
	"qgo/tensor"
)

var le = binary.LittleEndian

// Packer is room for laying out matrices of up to some number of columns.
type Packer struct {
	codes  [Rows]quant.Codes
	scales [Rows]quant.Scales
	zeros  []byte // a row of the last panel that the matrix does not have
}

// NewPacker returns room for rows of up to cols weights.
func NewPacker(cols int) *Packer {
	p := &Packer{zeros: make([]byte, 4*cols)}
	for r := range Rows {
		p.codes[r], p.scales[r] = *quant.NewCodes(cols), *quant.NewScales(cols)
	}
	return p
}

// PackerBytes is the memory that NewPacker(cols) takes.
func PackerBytes(cols int) int { return 4*cols + Rows*(cols+cols/16*10+cols/32*4) }

// Pack lays out panels [lo, hi) of w.
func (m *Matrix) Pack(w tensor.Tensor, lo, hi int, p *Packer) {
	for i := lo; i < hi; i++ {
		var rows [Rows][]byte
		for r := range rows {
			if n := i*Rows + r; n < w.Rows {
				rows[r] = w.Row(n)
			} else {
				rows[r] = p.zeros[:w.RowBytes()]
			}
		}
		if w.Type.Integer() {
			p.pack(m.Panel(i), w.Type, w.Cols, &rows)
		} else {
			interleave(m.Panel(i), w.Type.BlockBytes(), &rows)
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
func (p *Packer) pack(dst []byte, t quant.Type, cols int, rows *[Rows][]byte) {
	l := &layouts[t]
	codes := t
	if t == quant.IQ4_NL {
		codes = quant.Q4_0 // has the same blocks: the indices and not the levels
	}
	area := ScaleBytes(t, cols)
	for r, row := range rows {
		p.codes[r].Unpack(codes, row)
		p.scales[r].Read(t, row)
		packScales(dst[:area], &p.scales[r], cols/t.BlockLen(), r, l)
		packCodes(dst[area:], p.codes[r].Q[:cols], r, l)
	}
}

// packScales writes the scales of row r, those of n blocks, to the first area.
func packScales(area []byte, s *quant.Scales, n, r int, l *layout) {
	for k := range n {
		le.PutUint16(area[2*r:], s.D[k])
		if l.minima {
			le.PutUint16(area[2*Rows+2*r:], s.Min[k])
		}
		area = area[l.scaleBytes():]
		if !l.super {
			continue
		}
		for i := range quant.Q4_K.BlockLen() / tileCols {
			tile := k*quant.Q4_K.BlockLen()/tileCols + i
			switch {
			case l.group == tileCols:
				area[r], area[Rows+r] = s.Sub[tile], s.SubMin[tile]
			case l.minima:
				area[r] = s.Sub[2*tile] | s.SubMin[2*tile]<<4
				area[Rows+r] = s.Sub[2*tile+1] | s.SubMin[2*tile+1]<<4
			default:
				area[r], area[Rows+r] = s.Sub[2*tile], s.Sub[2*tile+1]
			}
			area = area[l.subBytes():]
		}
	}
}

// packCodes writes the codes q of row r, tile after tile.
func packCodes(dst []byte, q []uint8, r int, l *layout) {
	for ; len(q) >= tileCols; q = q[tileCols:] {
		var quads [8]uint32
		for v := range quads {
			quads[v] = le.Uint32(q[4*v:])
		}
		out := dst[4*r : l.tileBytes()]
		switch l.low {
		case 8:
			for v, c := range quads {
				le.PutUint32(out[planeBytes*v:], c)
			}
			out = nil
		case 4:
			for v := range 4 {
				le.PutUint32(out[planeBytes*v:], quads[v]&0x0f0f0f0f|quads[v+4]&0x0f0f0f0f<<4)
			}
			out = out[4*planeBytes-4*r:]
		case 2:
			packPairs(out, &quads, 0)
			out = out[2*planeBytes-4*r:]
		}
		switch l.high {
		case 1:
			var bits uint32
			for v, c := range quads {
				bits |= c >> l.low & 0x01010101 << v
			}
			le.PutUint32(out[4*r:], bits)
		case 2:
			packPairs(out[4*r:], &quads, l.low)
		}
		dst = dst[l.tileBytes():]
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
