package panel

import (
	"encoding/binary"
	"runtime"

	"qgo/quant"
	"qgo/quant/codec"
	"qgo/tensor"
)

var le = binary.LittleEndian

// packCols is the number of columns that are laid out at a time, in all rows of a
// panel, so that each line of the panel is complete while the first-level cache holds
// it. A block of a K-quant has as many.
const packCols = superTiles * tileCols

// packer is room for laying out matrices of up to some number of columns.
type packer struct {
	codes  [Rows]codec.Codes // of packCols weights
	scales *codec.Scales
	zeros  []byte // a row of the last panel that the matrix does not have
}

// NewPacker returns room for rows of up to cols weights.
func (k *Kernels) NewPacker(cols int) Packer {
	p := &packer{scales: codec.NewScales(packCols), zeros: make([]byte, 4*cols)}
	for r := range p.codes {
		p.codes[r] = *codec.NewCodes(packCols)
	}
	return p
}

// PackerBytes is the memory that NewPacker(cols) takes.
func (k *Kernels) PackerBytes(cols int) int { return 4*cols + (Rows+1)*2*packCols }

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
		p.pack(m.Data[i*n:(i+1)*n], w.Type, w.Cols, &rows, w.Type.Format().InOrder)
	}
}

// pack lays out one panel. Blocks whose bytes are in the order of a tile may be
// copied.
func (p *packer) pack(dst []byte, t quant.Type, cols int, rows *[Rows][]byte, inOrder bool) {
	n := panelBytes(t, packCols)
	for first := 0; first < cols; first += packCols {
		from, to := t.RowBytes(first), t.RowBytes(min(first+packCols, cols))
		var part [Rows][]byte
		for r, row := range rows {
			part[r] = row[from:to]
		}
		switch {
		case !t.Integer() && t.BlockBytes() == 2:
			interleave16(dst, &part)
		case !t.Integer():
			interleave32(dst, &part)
		case inOrder:
			packBlocks(dst, t, &part)
		default:
			p.packCodes(dst, t, &part)
		}
		dst = dst[min(n, len(dst)):]
	}
}

// interleave16 writes values of 16 bits column after column.
func interleave16(dst []byte, rows *[Rows][]byte) {
	const column = 2 * Rows
	for r, row := range rows {
		out := dst[2*r:]
		for ; len(row) >= 8; row = row[8:] {
			v, d := le.Uint64(row), (*[3*column + 2]byte)(out)
			le.PutUint16(d[:], uint16(v))
			le.PutUint16(d[column:], uint16(v>>16))
			le.PutUint16(d[2*column:], uint16(v>>32))
			le.PutUint16(d[3*column:], uint16(v>>48))
			out = out[min(4*column, len(out)):]
		}
		for i := 0; i < len(row); i += 2 {
			le.PutUint16(out[i*Rows:], le.Uint16(row[i:]))
		}
	}
}

// interleave32 writes values of 32 bits column after column.
func interleave32(dst []byte, rows *[Rows][]byte) {
	for r, row := range rows {
		for i := 0; i < len(row); i += 4 {
			le.PutUint32(dst[i*Rows+4*r:], le.Uint32(row[i:]))
		}
	}
}

// packCodes lays out blocks of any integer type, up to packCols weights of each row.
func (p *packer) packCodes(dst []byte, t quant.Type, blocks *[Rows][]byte) {
	l, src := layoutOf(t), *blocks
	tiles := len(src[0]) / l.Bytes * l.Len / tileCols
	for r := range src {
		p.scales.Read(t, src[r])
		if l.Super {
			packSubScales(dst, p.scales, r, l)
		} else {
			packScales(dst, p.scales, tiles, r, l)
		}
		if l.LowAt == nil {
			p.codes[r].Numbers(t, src[r])
			src[r] = p.codes[r].Q
		}
	}
	for i := range tiles {
		low, high := quant.Run{Byte: tileCols * i}, quant.Run{Byte: tileCols * i, Shift: l.Low}
		if l.LowAt != nil {
			low = l.LowAt[i]
		}
		if l.HighAt != nil {
			high = l.HighAt[i]
		}
		_, at := l.tile(i)
		packPlanes(dst[at:], &src, low, l.Low)
		if l.High > 0 {
			packPlanes(dst[at+l.Low*planeBytes:], &src, high, l.High)
		}
	}
}

// packBlocks lays out rows of a type with blocks of 32 weights whose bytes are in the
// order of a tile already: 4-bit codes are halves of bytes with numbers 16 apart.
func packBlocks(dst []byte, t quant.Type, rows *[Rows][]byte) {
	l, halves := layoutOf(t), 2*len(t.Format().Halves)
	for tile := range len(rows[0]) / l.Bytes {
		scales, codes := l.tile(tile)
		for r, row := range rows {
			b, out := row[tile*l.Bytes:][:l.Bytes], dst[codes+4*r:]
			le.PutUint16(dst[scales+2*r:], le.Uint16(b))
			if l.Minima {
				le.PutUint16(dst[scales+2*(Rows+r):], le.Uint16(b[2:]))
			}
			b = b[halves:]
			if l.Low == 8 {
				x, sign := (*[tileCols]byte)(b), signs()
				putQuads(out, le.Uint64(x[:])^sign, le.Uint64(x[8:])^sign)
				putQuads(out[4*planeBytes:], le.Uint64(x[16:])^sign, le.Uint64(x[24:])^sign)
				continue
			}
			if l.High == 1 {
				le.PutUint32(out[4*planeBytes:], transposeBits(le.Uint32(b)))
				b = b[4:]
			}
			x := (*[tileCols / 2]byte)(b)
			putQuads(out, le.Uint64(x[:]), le.Uint64(x[8:]))
		}
	}
}

// eachByte has a 1 in each byte.
const eachByte = 0x0101010101010101

// signs turns codes of Q8_0 from signed into unsigned bytes, since VPDPBUSD
// multiplies those by signed ones; arm64 multiplies signed by signed bytes.
func signs() uint64 {
	if runtime.GOARCH == "arm64" {
		return 0
	}
	return 0x80 * eachByte
}

// transposeBits moves bit 4v+k to bit v of byte k. A bit's number is itself a number
// of five bits, of which each step swaps two.
func transposeBits(w uint32) uint32 {
	t := (w>>14 ^ w) & 0x0000cccc // bits 4 and 1
	w ^= t ^ t<<14
	t = (w>>7 ^ w) & 0x00aa00aa // 3 and 0
	w ^= t ^ t<<7
	t = (w>>2 ^ w) & 0x0c0c0c0c // 2 and 1
	w ^= t ^ t<<2
	t = (w>>1 ^ w) & 0x22222222 // 1 and 0
	return w ^ t ^ t<<1
}

// packScales writes the scales, and the minima if there are any, of tiles of row r.
func packScales(dst []byte, s *codec.Scales, tiles, r int, l *layout) {
	for i := range tiles {
		at, _ := l.tile(i)
		packHalves(dst[at+2*r:], s, i, l)
	}
}

// packHalves writes the scale and the minimum of block k.
func packHalves(dst []byte, s *codec.Scales, k int, l *layout) {
	le.PutUint16(dst, s.D[k])
	if l.Minima {
		le.PutUint16(dst[2*Rows:], s.Min[k])
	}
}

// packSubScales writes the scales of a K-quant's block of row r: what heads its tiles
// and what stands before each pair of them.
func packSubScales(dst []byte, s *codec.Scales, r int, l *layout) {
	packHalves(dst[2*r:], s, 0, l)
	sub, subMin := (*[16]uint8)(s.Sub), (*[16]uint8)(s.SubMin)
	for i := range superTiles / 2 {
		out := (*[3*Rows + 1]byte)(dst[headBytes+i*l.pairBytes()+r:]) // two for each tile
		switch {
		case l.Group == tileCols && l.Minima:
			out[0], out[Rows] = sub[2*i], subMin[2*i]
			out[2*Rows], out[3*Rows] = sub[2*i+1], subMin[2*i+1]
		case l.Group == tileCols:
			out[0], out[2*Rows] = sub[2*i], sub[2*i+1]
		default: // with minima both are of four bits
			v := le.Uint32(sub[4*i:])
			if l.Minima {
				v |= le.Uint32(subMin[4*i:]) << 4
			}
			out[0], out[Rows], out[2*Rows], out[3*Rows] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
		}
	}
}

// packPlanes writes bits of the codes of a tile, some of each, to planes: those of row
// r stand in rows[r] where run says.
func packPlanes(dst []byte, rows *[Rows][]byte, run quant.Run, bits int) {
	shift := run.Shift & 7
	for r, row := range rows {
		b, out := (*[tileCols]byte)(row[run.Byte:]), dst[4*r:]
		// Two quads each.
		x0, x1 := le.Uint64(b[:])>>shift, le.Uint64(b[8:])>>shift
		x2, x3 := le.Uint64(b[16:])>>shift, le.Uint64(b[24:])>>shift
		switch bits {
		case 8: // unsigned ones here, which become signed for kernels that want that
			sign := 0x80*eachByte ^ signs()
			putQuads(out, x0^sign, x1^sign)
			putQuads(out[4*planeBytes:], x2^sign, x3^sign)
		case 4:
			const half = 15 * eachByte
			putQuads(out, x0&half|x2&half<<4, x1&half|x3&half<<4)
		case 2:
			const pair = 3 * eachByte
			x0, x2 = x0&pair|x1&pair<<4, x2&pair|x3&pair<<4
			d := (*[planeBytes + 4]byte)(out)
			le.PutUint32(d[:], uint32(x0)|uint32(x0>>32)<<2)
			le.PutUint32(d[planeBytes:], uint32(x2)|uint32(x2>>32)<<2)
		case 1:
			x0 = x0&eachByte | x1&eachByte<<2 | x2&eachByte<<4 | x3&eachByte<<6
			le.PutUint32(out, uint32(x0)|uint32(x0>>32)<<1)
		}
	}
}

// putQuads writes four quads to neighbouring planes.
func putQuads(dst []byte, x0, x1 uint64) {
	d := (*[3*planeBytes + 4]byte)(dst)
	le.PutUint32(d[:], uint32(x0))
	le.PutUint32(d[planeBytes:], uint32(x0>>32))
	le.PutUint32(d[2*planeBytes:], uint32(x1))
	le.PutUint32(d[3*planeBytes:], uint32(x1>>32))
}
