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
	for r, row := range rows {
		p.codes[r].Unpack(codes, row)
		p.scales[r].Read(t, row)
		for tile := range cols / tileCols {
			scales, codes := l.tile(tile)
			if l.super {
				if tile%superTiles == 0 {
					packScales(dst[scales-headBytes:], &p.scales[r], tile/superTiles, r, l)
				}
				packSubScales(dst[scales:], &p.scales[r], tile, r, l)
			} else {
				packScales(dst[scales:], &p.scales[r], tile, r, l)
			}
			packCodes(dst[codes:], p.codes[r].Q[tile*tileCols:], r, l)
		}
	}
}

// packScales writes the scale, and the minimum if there is one, of block k of
// row r.
func packScales(out []byte, s *quant.Scales, k, r int, l *layout) {
	le.PutUint16(out[2*r:], s.D[k])
	if l.minima {
		le.PutUint16(out[2*Rows+2*r:], s.Min[k])
	}
}

// packSubScales writes the small scales of a tile of row r.
func packSubScales(out []byte, s *quant.Scales, tile, r int, l *layout) {
	switch {
	case l.group == tileCols:
		out[r], out[Rows+r] = s.Sub[tile], s.SubMin[tile]
	case l.minima:
		out[r] = s.Sub[2*tile] | s.SubMin[2*tile]<<4
		out[Rows+r] = s.Sub[2*tile+1] | s.SubMin[2*tile+1]<<4
	default:
		out[r], out[Rows+r] = s.Sub[2*tile], s.Sub[2*tile+1]
	}
}

// packCodes writes the codes q of a tile of row r.
func packCodes(dst []byte, q []uint8, r int, l *layout) {
	var quads [8]uint32
	for v := range quads {
		quads[v] = le.Uint32(q[4*v:])
	}
	at := 4 * r // in a plane
	switch l.low {
	case 8:
		for v, c := range quads {
			le.PutUint32(dst[planeBytes*v+at:], c)
		}
		return
	case 4:
		for v := range 4 {
			le.PutUint32(dst[planeBytes*v+at:], quads[v]&0x0f0f0f0f|quads[v+4]&0x0f0f0f0f<<4)
		}
	case 2:
		packPairs(dst[at:], &quads, 0)
	}
	at += l.low * planeBytes
	switch l.high {
	case 1:
		var bits uint32
		for v, c := range quads {
			bits |= c >> l.low & 0x01010101 << v
		}
		le.PutUint32(dst[at:], bits)
	case 2:
		packPairs(dst[at:], &quads, l.low)
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
