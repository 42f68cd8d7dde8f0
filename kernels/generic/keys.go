package generic

import (
	"qgo/quant"

	"qgo/quant/codec"
)

// KeyBlock is the number of positions whose keys are stored together, turned
// so that the vector of the same value of all positions is one load:
// [HeadDim][KeyBlock] float32 or float16. Q8_0 has for every 32 values of a
// head KeyBlock float16 scales, then [32][KeyBlock] int8. A block takes as
// many bytes as KeyBlock rows of its type.
const KeyBlock = 16

// q8Len is the number of values that share a scale in Q8_0.
const q8Len = 32

// PutKey stores the key of a position in blocks, which begin with position 0.
// The key comes as a row of its type, as codec.Quantize makes it. Nothing
// else is written, so that several workers may store different positions.
func PutKey(t quant.Type, blocks []byte, pos int, row []byte) {
	block := blocks[pos/KeyBlock*KeyBlock*len(row):][:KeyBlock*len(row)]
	lane := pos % KeyBlock
	switch t {
	case quant.F32:
		for i := 0; i < len(row); i += 4 {
			copy(block[i*KeyBlock+4*lane:][:4], row[i:])
		}
	case quant.F16:
		for i := 0; i < len(row); i += 2 {
			o := block[i*KeyBlock+2*lane:][:2]
			o[0], o[1] = row[i], row[i+1]
		}
	case quant.Q8_0:
		const size = q8Len + 2
		for ; len(row) >= size; row, block = row[size:], block[size*KeyBlock:] {
			block[2*lane], block[2*lane+1] = row[0], row[1]
			for i, q := range row[2:size] {
				block[2*KeyBlock+i*KeyBlock+lane] = q
			}
		}
	default:
		panic("generic: keys of type " + t.String())
	}
}

// GetKey is the inverse of [PutKey]: it reads the key of a position into row.
func GetKey(t quant.Type, row, blocks []byte, pos int) {
	block := blocks[pos/KeyBlock*KeyBlock*len(row):][:KeyBlock*len(row)]
	lane := pos % KeyBlock
	switch t {
	case quant.F32:
		for i := 0; i < len(row); i += 4 {
			copy(row[i:i+4], block[i*KeyBlock+4*lane:])
		}
	case quant.F16:
		for i := 0; i < len(row); i += 2 {
			o := block[i*KeyBlock+2*lane:][:2]
			row[i], row[i+1] = o[0], o[1]
		}
	case quant.Q8_0:
		const size = q8Len + 2
		for ; len(row) >= size; row, block = row[size:], block[size*KeyBlock:] {
			row[0], row[1] = block[2*lane], block[2*lane+1]
			for i := range q8Len {
				row[2+i] = block[2*KeyBlock+i*KeyBlock+lane]
			}
		}
	default:
		panic("generic: keys of type " + t.String())
	}
}

// floatKeys turns blocks of keys into float32 in the same order: see
// [KeyBlock].
func floatKeys(t quant.Type, dst []float32, src []byte) {
	if t != quant.Q8_0 {
		codec.Dequantize(t, dst, src)
		return
	}
	const run, size = q8Len * KeyBlock, (q8Len + 2) * KeyBlock
	var scales [KeyBlock]float32
	for ; len(dst) >= run; dst, src = dst[run:], src[size:] {
		codec.Dequantize(quant.F16, scales[:], src[:2*KeyBlock])
		for i, q := range src[2*KeyBlock : size] {
			dst[i] = float32(int8(q)) * scales[i%KeyBlock]
		}
	}
}
