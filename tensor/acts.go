package tensor

// GroupLen is the number of activations that share a scale and a sum in
// [Acts]: that of the finest sub-blocks of the K-quants. Groups of 32, as
// llama.cpp has them, would save one operation in ten in prefill, and diverge
// from exact arithmetic by half as much again.
const GroupLen = 16

// blockLen is that of the smallest block of quantised weights.
const blockLen = 32

// Acts is a batch of N activation rows of Cols values in the two forms that
// matrix kernels read: as they are, and quantised to 8 bits. In the second,
// value j of row i is about D[i][j/16] * Q[i][j]; S holds the sums of Q, which
// the formats with an offset or a minimum need. All arrays are row-major.
type Acts struct {
	N, Cols int
	F       []float32 // [N][Cols]
	Q       []int8    // [N][Cols]
	D       []float32 // [N][Cols/16]
	S       []int16   // [N][Cols/16]
}

// NewActs returns room for n rows of cols values. Rows whose length is no
// multiple of 32 have no quantised form.
func NewActs(n, cols int) *Acts {
	a := &Acts{N: n, Cols: cols, F: Make[float32](n * cols)}
	if cols%blockLen == 0 {
		a.Q = Make[int8](n * cols)
		a.D = Make[float32](n * cols / GroupLen)
		a.S = Make[int16](n * cols / GroupLen)
	}
	return a
}

// ActsBytes is the memory that NewActs(n, cols) takes.
func ActsBytes(n, cols int) int64 {
	bytes := int64(n) * int64(cols) * 4
	if cols%blockLen == 0 {
		bytes += int64(n) * int64(cols) * (GroupLen + 4 + 2) / GroupLen
	}
	return bytes
}

// Row returns the values of row i as they are.
func (a *Acts) Row(i int) []float32 { return a.F[i*a.Cols : (i+1)*a.Cols] }

// QuantRow returns the quantised form of row i.
func (a *Acts) QuantRow(i int) (q []int8, d []float32, s []int16) {
	g := a.Cols / GroupLen
	return a.Q[i*a.Cols : (i+1)*a.Cols], a.D[i*g : (i+1)*g], a.S[i*g : (i+1)*g]
}
