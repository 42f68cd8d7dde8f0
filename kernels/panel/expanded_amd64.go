package panel

import (
	"unsafe"

	"qgo/quant"
	"qgo/tensor"
)

// expandedTiles is the number of tiles of a panel that are expanded and then multiplied
// with all rows. It is a whole number of super-blocks. In bfloat16 a tile takes 1 KB: those
// of two panels do not fit in a first-level cache, but half
// as many, which do, were slower: the results are loaded and stored once more for
// each part.
const expandedTiles = 32

// pairsOfTile is the number of pairs of weights in a tile.
const pairsOfTile = tileCols / 2 * Rows

// Expanded are the kernels for panels and, for many rows of activations in another form,
// bfloat16 or words, what multiplies the same panels with those: a part of the weights
// is brought into that form and is then multiplied with all rows.
type Expanded struct {
	Streamed
	// Expand holds for each type that is multiplied so the function that
	// writes Tiles tiles, of 32 columns, of a panel to Dst: the weights of two
	// columns side by side for each of the 16 rows, and so
	// on for all columns. Panel is where a pair of tiles, or in a K-quant a
	// super-block, begins. In bfloat16, to which weights are rounded, columns stand in order;
	// words as tensor.WordIndex says, followed by 16 scales.
	Expand *[quant.Count]func(*Args)
	// Tiles multiplies what has been expanded.
	Tiles func(*TileArgs)
	// AsWords tells that the form is words, and not bfloat16.
	AsWords bool
}

// tileValues is the number of values of 32 bits, pairs and scales, in an expanded tile.
func (e *Expanded) tileValues() int {
	if e.AsWords {
		return pairsOfTile + Rows
	}
	return pairsOfTile
}

// TileArgs are the arguments of [Expanded.Tiles]: for rows of activations and 32 rows of
// weights,
//
//	Dst[i][r] (+)= Σ_j W[r][j] * X[i][j]
type TileArgs struct {
	X         unsafe.Pointer                 // first row of activations: of tensor.Block in bfloat16, or tensor.Words
	Weights   [ExpandedPanels]unsafe.Pointer // 16 rows each, as Expand writes them
	Dst       *float32                       // 32 results for each activation row
	XStride   int                            // bytes from one activation row to the next
	DstStride int                            // bytes from the results of one activation row to those of the next
	Tiles     int                            // of 32 columns
	Rows      int                            // of activations
	Add       int                            // whether to add to what Dst holds, 0 or 1
	// Whole and Last describe tiles of 16 rows, and of the Rows%16 last ones.
	Whole, Last TileConfig
}

// TileConfig is the operand of LDTILECFG for tiles of some rows: numbers 0 to 3
// hold results, 4 and 5 activations, 6 and 7 weights.
type TileConfig struct {
	Palette, StartRow uint8
	_                 [14]uint8
	RowBytes          [16]uint16
	Rows              [16]uint8
}

// NewTileConfig returns the description of tiles of that many rows.
func NewTileConfig(rows int) TileConfig {
	c := TileConfig{Palette: 1}
	for i := range 8 {
		c.RowBytes[i] = planeBytes
		c.Rows[i] = uint8(rows)
		if i >= 6 {
			c.Rows[i] = Rows
		}
	}
	return c
}

// expandedValues is the number of values that are expanded at a time.
func (e *Expanded) expandedValues() int { return ExpandedPanels * expandedTiles * e.tileValues() }

// NewMultiplier returns what a worker needs to multiply up to rows rows in
// the form for many, and any number of others.
func (e *Expanded) NewMultiplier(rows int) Multiplier {
	m := &expandedMultiplier{
		multiplier: e.Streamed.multiplier(),
		Expanded:   e,
		weights:    tensor.Make[uint32](e.expandedValues()),
		edge:       tensor.Make[float32](rows * ExpandedPanels * Rows),
	}
	m.tiles.Whole = NewTileConfig(Rows)
	for i := range m.tiles.Weights {
		m.tiles.Weights[i] = unsafe.Pointer(&m.weights[i*expandedTiles*e.tileValues()])
	}
	return m
}

// MultiplierBytes is the memory that NewMultiplier(rows) takes.
func (e *Expanded) MultiplierBytes(rows int) int {
	return int(unsafe.Sizeof(expandedMultiplier{})) + 4*(e.expandedValues()+rows*ExpandedPanels*Rows)
}

// expandedMultiplier multiplies activations of either form.
type expandedMultiplier struct {
	multiplier
	*Expanded
	weights []uint32 // [ExpandedPanels][expandedTiles][tileValues]
	tiles   TileArgs
	expand  Args
	edge    []float32 // results of panels that go beyond the rows that are wanted
}

// MatMul multiplies; see [Multiplier].
func (mul *expandedMultiplier) MatMul(dst []float32, stride int, m *Matrix, r0, r1 int, x *tensor.Acts) {
	if !x.Many || mul.Expand[m.Type] == nil {
		mul.multiplier.MatMul(dst, stride, m, r0, r1, x)
		return
	}
	if r0 >= r1 || x.N == 0 {
		return
	}
	const cols = ExpandedPanels * Rows
	a := &mul.tiles
	a.XStride, a.Rows, a.Last = x.Stride*tensor.BlockBytes, x.N, NewTileConfig(x.N%Rows)
	if mul.AsWords {
		a.XStride = x.Stride * tensor.WordsBytes
	}
	for p := r0 / Rows; p*Rows < r1; p += ExpandedPanels {
		out, outStride := dst[p*Rows-r0:], stride
		wanted := min(cols, r1-p*Rows)
		if wanted < cols {
			out, outStride = mul.edge, cols
		}
		_ = out[(x.N-1)*outStride+cols-1]
		a.Dst, a.DstStride = &out[0], outStride*4
		mul.panels(m, p, x)
		if wanted < cols {
			for i := range x.N {
				copy(dst[i*stride+p*Rows-r0:][:wanted], mul.edge[i*cols:])
			}
		}
	}
}

// panels multiplies the panels from number p on, as many as are multiplied
// together; those that the matrix does not have yield anything.
func (mul *expandedMultiplier) panels(m *Matrix, p int, x *tensor.Acts) {
	a := &mul.tiles
	size, all := panelBytes(m.Type, m.Cols), m.Cols/tileCols
	mul.activations(x, (x.N-1)*x.Stride+all-1)
	for tile := 0; tile < all; tile += expandedTiles {
		a.Tiles = min(expandedTiles, all-tile)
		for i := range min(ExpandedPanels, m.Panels()-p) {
			data := m.Data[(p+i)*size : (p+i+1)*size]
			mul.expand = Args{Panel: &data[start(m.Type, tile)], Dst: (*float32)(a.Weights[i]), Tiles: a.Tiles, Ahead: ahead}
			mul.Expand[m.Type](&mul.expand)
		}
		a.X, a.Add = mul.activations(x, tile), min(tile, 1)
		mul.Tiles(a)
	}
}

// activations is where in x a block of its form begins.
func (e *Expanded) activations(x *tensor.Acts, block int) unsafe.Pointer {
	if e.AsWords {
		return unsafe.Pointer(&x.W[block])
	}
	return unsafe.Pointer(&x.Q[block])
}

// start is where in a panel's bytes a tile begins; of integer weights the first
// one of a pair or of a super-block, with what stands before its scales.
func start(t quant.Type, tile int) int {
	if !t.Integer() {
		return panelBytes(t, tile*tileCols)
	}
	l := layoutOf(t)
	scales, _ := l.tile(tile)
	if l.Super {
		scales -= headBytes
	}
	return scales
}
