package codec

import "qgo/quant"

// levels are what quantisation to a type needs whose codes stand for 16 values
// that rise from code to code, eight below 0 and eight above.
type levels struct {
	values *[16]int8
	scan   *scan

	// nearest is the code of the level nearest to (i-256)/2, and to all values up
	// to the next: the midpoints between levels are multiples of one half.
	nearest [512]uint8
}

// newLevels returns those of a type. Ten scales are tried, with which the extreme
// weight stands for from, from+stride and so on.
func newLevels(t quant.Type, from, stride float32) *levels {
	l := &levels{values: t.Format().Levels}
	var below, above []int
	for i := range 8 {
		below = append(below, -int(l.values[7-i]))
		above = append(above, int(l.values[8+i]))
	}
	l.scan = newScan(from, stride, 10, below, above)
	code := 0
	for i := range l.nearest {
		for code < 15 && i-256 >= int(l.values[code])+int(l.values[code+1]) {
			code++
		}
		l.nearest[i] = uint8(code)
	}
	return l
}

// store writes the codes of 32 weights, which inv scales.
func (l *levels) store(codes *[16]byte, x []float32, inv float32) {
	for i := range codes {
		codes[i] = byte(l.code(x[i]*inv) | l.code(x[16+i]*inv)<<4)
	}
}

// code returns the code of the level nearest to v.
func (l *levels) code(v float32) int {
	return int(l.nearest[clamp(int(2*v+256), 0, 511)&511])
}
