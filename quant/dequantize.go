package quant

import "math"

// Dequantize writes the len(dst) weights of src, whole blocks of type t, as
// float32. The results equal those of ggml's formulas bit for bit.
func Dequantize(t Type, dst []float32, src []byte) {
	switch t {
	case F32:
		for i := range dst {
			dst[i] = math.Float32frombits(le.Uint32(src[4*i:]))
		}
	case F16:
		for i := range dst {
			dst[i] = half(src[2*i:])
		}
	case BF16:
		for i := range dst {
			dst[i] = math.Float32frombits(uint32(le.Uint16(src[2*i:])) << 16)
		}
	default:
		dequantizeBlocks(t, dst, src)
	}
}

func dequantizeBlocks(t Type, dst []float32, src []byte) {
	var codes [256]byte
	var scale, min [16]float32
	size, n := t.BlockBytes(), t.BlockLen()
	group, hasMin := t.grouping()
	for ; len(dst) >= n; dst, src = dst[n:], src[size:] {
		unpackBlock(t, src[:size], codes[:n], scale[:n/group], min[:n/group])
		for g := range n / group {
			out, q := dst[g*group:(g+1)*group], codes[g*group:(g+1)*group]
			d := scale[g]
			if !hasMin {
				for i := range out {
					out[i] = d * float32(int8(q[i]))
				}
				continue
			}
			m := min[g]
			for i := range out {
				// The conversion keeps compilers from fusing the two
				// operations, which would round only once.
				out[i] = float32(d*float32(int8(q[i]))) + m
			}
		}
	}
}
