package tensor

// GroupLen is the number of activations that share one scale in [Acts], and
// SumLen the number that share one sum. 32 is the block length of the simple
// GGUF formats and divides that of the K-quants, whose finest sub-blocks have
// 16 weights.
const (
	GroupLen = 32
	SumLen   = 16
)

// Acts is a batch of N activation rows of Cols values in the two forms that
// matrix kernels read: as they are, and quantised to 8 bits. In the second,
// value j of row i is about D[i][j/32] * Q[i][j]; S holds sums of Q, which
// the formats with an offset or a minimum need. All arrays are row-major.
type Acts struct {
	N, Cols int
	F       []float32 // [N][Cols]
	Q       []int8    // [N][Cols]
	D       []float32 // [N][Cols/32]
	S       []int16   // [N][Cols/16]
}

// NewActs returns room for n rows of cols values. Rows whose length is no
// multiple of 32 have no quantised form.
func NewActs(n, cols int) *Acts {
	a := &Acts{N: n, Cols: cols, F: Make[float32](n * cols)}
	if cols%GroupLen == 0 {
		a.Q = Make[int8](n * cols)
		a.D = Make[float32](n * cols / GroupLen)
		a.S = Make[int16](n * cols / SumLen)
	}
	return a
}

// ActsBytes is the memory that NewActs(n, cols) takes.
func ActsBytes(n, cols int) int64 {
	bytes := int64(n) * int64(cols) * 4
	if cols%GroupLen == 0 {
		bytes += int64(n) * int64(cols) * (GroupLen + 4 + 4) / GroupLen
	}
	return bytes
}

// Row returns the values of row i as they are.
func (a *Acts) Row(i int) []float32 { return a.F[i*a.Cols : (i+1)*a.Cols] }

// QuantRow returns the quantised form of row i.
func (a *Acts) QuantRow(i int) (q []int8, d []float32, s []int16) {
	g, h := a.Cols/GroupLen, a.Cols/SumLen
	return a.Q[i*a.Cols : (i+1)*a.Cols], a.D[i*g : (i+1)*g], a.S[i*h : (i+1)*h]
}
