package cpu

import (
	"qgo/kernels"
	"qgo/kernels/panel"
	"qgo/kernels/plan"
	"qgo/tensor"
)

// fewRows is the largest batch for which a matrix is read from memory for
// little arithmetic, so that an item of it is as small as can be. For more rows
// an item is a tile of the product that stays in the cache, with the weights'
// columns that it takes.
const fewRows = 16

// The panels of a tile, and the rows of the largest one and of the smallest.
const (
	tilePanels   = 128 / panel.Rows
	smallestTile = 32
)

// In the form for many rows a tile has as few panels as are multiplied together, and many
// rows: each of its weights is converted first, which takes as long as its
// products with some 100 rows.
const (
	manyPanels       = panel.ExpandedPanels
	manyTileRows     = tileValues / (manyPanels * panel.Rows)
	smallestManyTile = 128
)

// blockPanels is the number of panels that yield a block of activations.
const blockPanels = tensor.BlockLen / panel.Rows

// enough is the number of items for each worker that lets them end together.
const enough = 4

// panels is the number of panels of a layer.
func panels(l *linear) int { return (l.W.Rows + panel.Rows - 1) / panel.Rows }

// grid cuts the product of a matrix with rows of activations into items: tiles
// of some panels and some rows. Consecutive items have the same panels and
// consecutive rows; in the form for many, where it is the activations that do not fit in
// the nearest caches, the same rows and consecutive panels.
type grid struct {
	items, most int // for [kernels.Worker.Items]
	panels      int // of an item
	groups      int // of panels
	tiles       int // of rows
	tileRows    int
	rows        int
	many        bool
}

// newGrid cuts a matrix of that many panels, of which unit must stay together.
func newGrid(workers, panels, unit, rows int, many bool) grid {
	if many {
		unit = max(unit, manyPanels)
	}
	if rows <= fewRows {
		return grid{
			items: (panels + unit - 1) / unit, most: tileValues / (rows * unit * panel.Rows),
			panels: unit, tiles: 1, tileRows: rows, rows: rows, many: many,
		}
	}
	g, smallest := grid{most: 1, panels: tilePanels, tileRows: tileRows, rows: rows, many: many}, smallestTile
	if many {
		g.panels, g.tileRows, smallest = manyPanels, manyTileRows, smallestManyTile
	}
	g.groups = (panels + g.panels - 1) / g.panels
	for g.tileRows > smallest && g.groups*((rows+g.tileRows-1)/g.tileRows) < enough*workers {
		g.tileRows /= 2
	}
	g.tiles = (rows + g.tileRows - 1) / g.tileRows
	g.items = g.groups * g.tiles
	return g
}

// tile returns what items [lo, hi) are: n rows of activations from number row
// on, and rows [from, to) of the matrix, which may have fewer.
func (g *grid) tile(lo, hi int) (row, n, from, to int) {
	if g.tiles == 1 {
		return 0, g.rows, lo * g.panels * panel.Rows, hi * g.panels * panel.Rows
	}
	tile, group := lo%g.tiles, lo/g.tiles
	if g.many {
		tile, group = lo/g.groups, lo%g.groups
	}
	row, from = tile*g.tileRows, group*g.panels*panel.Rows
	return row, min(g.tileRows, g.rows-row), from, from + g.panels*panel.Rows
}

// product writes the products of rows [lo, hi) of l with every row of x, plus
// the bias if there is one, to dst, whose rows are stride apart and begin with
// row lo.
func (p *pass) product(t *scratch, dst []float32, stride int, l *linear, lo, hi int, x *tensor.Acts) {
	p.multiply(t, dst, stride, l, lo, hi, x)
	if l.Bias != nil {
		for i := range x.N {
			p.tier.Add(dst[i*stride:i*stride+hi-lo], l.Bias[lo:hi])
		}
	}
}

// multiply is product without the bias.
func (p *pass) multiply(t *scratch, dst []float32, stride int, l *linear, lo, hi int, x *tensor.Acts) {
	if l.panels != nil {
		t.Panels.MatMul(dst, stride, l.panels, lo, hi, x)
	} else {
		p.tier.MatMul(dst, stride, l.W, lo, hi, x, &t.Mat)
	}
}

// queriesKeysValues multiplies the normed rows with Q, K and V, whose outputs
// stand side by side in s.qkv. Where activations are quantised to 8 bits, keys
// and values come out as from 16: their matrices are narrow, so that finer
// activations cost little, and every later token reads them.
func (p *pass) queriesKeysValues(w *kernels.Worker, layer int) {
	t, l := p.workers[w.ID], &p.layers[layer]
	stride := p.QDim() + 2*p.KVDim()
	three := [...]*linear{&l.Q, &l.K, &l.V}
	g := newGrid(w.Of, panels(&l.Q)+panels(&l.K)+panels(&l.V), 1, p.rows(), p.many)
	for it := p.items(w, plan.OpQKV, g.items, g.most); it.Next(); {
		p.look(w, plan.OpQKV, it.Lo, g.items)
		row, n, lo, hi := g.tile(it.Lo, it.Hi)
		m := hi - lo
		// The part [from, to) of each matrix has its results in columns from+at
		// of the tile.
		at := -lo
		for i, l := range three {
			if from, to := max(-at, 0), min(m-at, l.W.Rows); from < to {
				p.productFiner(w, t.Out[0][from+at:], m, l, from, to, row, n, i > 0 && p.finer(l.W))
			}
			at += panels(l) * panel.Rows
		}
		if !it.Commit() {
			continue
		}
		at, column := -lo, 0
		for _, l := range three {
			if from, to := max(-at, 0), min(m-at, l.W.Rows); from < to {
				for i := range n {
					copy(p.qkv[(row+i)*stride+column+from:][:to-from], t.Out[0][i*m+from+at:])
				}
				p.computed(t, layer, row, n, column+from, column+to)
			}
			at += panels(l) * panel.Rows
			column += l.W.Rows
		}
	}
}

// productFiner is product for n normed rows from number row on. With finer, it is that
// of their finer form, or what that is as a second plane is multiplied too.
func (p *pass) productFiner(w *kernels.Worker, dst []float32, stride int, l *linear, lo, hi, row, n int, finer bool) {
	t := p.workers[w.ID]
	x := p.normed(w)
	if finer && p.words() {
		x = p.fine(w)
	}
	t.Acts.Slice(x, row, n)
	p.product(t, dst, stride, l, lo, hi, &t.Acts)
	if !finer || p.words() {
		return
	}
	m := hi - lo
	t.Acts.Slice(p.fine(w), row, n)
	p.multiply(t, t.Out[1], m, l, lo, hi, &t.Acts)
	for i := range n {
		p.tier.Add(dst[i*stride:][:m], t.Out[1][i*m:(i+1)*m])
	}
}

// quantUnit is a number of blocks that suits the kernels that quantise.
const quantUnit = 8

// gateUnit is the number of panels of gate and of up that stay together: a block
// of activations, or for a few rows a single one, so that workers end together;
// see [pass.halfBlock].
func (p *pass) gateUnit() int {
	if p.rows() <= ownRows {
		return 1
	}
	return blockPanels
}

// gateAndUp computes silu(gate)*up of the normed rows in the form that the next
// matrix wants.
func (p *pass) gateAndUp(w *kernels.Worker, l *layers) {
	t := p.workers[w.ID]
	reduced := p.reduced(l.Down.W)
	g := newGrid(w.Of, panels(&l.Gate), p.gateUnit(), p.rows(), p.many)
	for it := p.items(w, plan.OpGateUp, g.items, g.most); it.Next(); {
		p.look(w, plan.OpGateUp, it.Lo, g.items)
		row, n, lo, hi := g.tile(it.Lo, it.Hi)
		hi = min(hi, p.FFN)
		m := hi - lo
		t.Acts.Slice(p.normed(w), row, n)
		p.product(t, t.Out[0], m, &l.Gate, lo, hi, &t.Acts)
		p.product(t, t.Out[1], m, &l.Up, lo, hi, &t.Acts)
		out := t.Out[0][:n*m]
		p.tier.SwiGLU(out, t.Out[1][:n*m])
		if !reduced {
			if it.Commit() {
				for i := range n {
					copy(p.acts.ffn.Row(row + i)[lo:], out[i*m:(i+1)*m])
				}
			}
			continue
		}
		// The whole blocks are [from, to) of a row; a half one may come before them
		// and behind.
		from := (lo + tensor.BlockLen - 1) / tensor.BlockLen
		to := max(hi/tensor.BlockLen, from)
		blocks := to - from
		if blocks*tensor.BlockLen == m {
			p.reduceUnits(t, 0, n*blocks, 0)
		} else {
			for i := 0; blocks > 0 && i < n; i++ {
				p.reduceUnits(t, i*blocks, blocks, i*m+from*tensor.BlockLen-lo)
			}
		}
		if !it.Commit() {
			continue
		}
		for i := range n {
			p.reducedRow(&p.acts.ffn, row+i, from).copy(t.Blocks.from(i*blocks), blocks)
		}
		if lo%tensor.BlockLen != 0 {
			p.halfBlock(t, lo, n, out, m)
		}
		if hi%tensor.BlockLen != 0 {
			p.halfBlock(t, hi-panel.Rows, n, out[m-panel.Rows:], m)
		}
	}
}

// reduceUnits reduces n blocks of a tile, from value number from on, to t.Blocks
// from number first on. What comes too much stays there.
func (p *pass) reduceUnits(t *scratch, first, n, from int) {
	n = (n + quantUnit - 1) / quantUnit * quantUnit
	p.reduce(t.Out[0][from:from+n*tensor.BlockLen], t.Blocks.from(first))
}

// halfBlock writes the outputs of gate and up from a column on, those of one
// panel of n rows, m values from one row to the next, where the other half of
// their blocks is written, too. Who comes second quantises both.
func (p *pass) halfBlock(t *scratch, column, n int, out []float32, m int) {
	for i := range n {
		copy(p.halves[i*p.FFN+column:][:panel.Rows], out[i*m:])
	}
	block := column / tensor.BlockLen
	if p.halfCounts[block].Add(1)%blockPanels != 0 {
		return
	}
	for i := range n {
		p.reduceFew(t, p.halves[i*p.FFN+block*tensor.BlockLen:][:tensor.BlockLen], p.reducedRow(&p.acts.ffn, i, block))
	}
}

// reduceFew is reduce where there may be fewer blocks than suit the kernels.
func (p *pass) reduceFew(t *scratch, x []float32, dst reduced) {
	n := len(x) / tensor.BlockLen
	if n >= quantUnit {
		p.reduce(x, dst)
		return
	}
	copy(t.Out[1], x)
	p.reduce(t.Out[1][:quantUnit*tensor.BlockLen], t.Blocks)
	dst.copy(t.Blocks, n)
}

// addProduct adds the products of l with x to the hidden states.
func (p *pass) addProduct(w *kernels.Worker, op plan.Op, l *linear, x *tensor.Acts) {
	t := p.workers[w.ID]
	out := t.Out[0]
	g := newGrid(w.Of, panels(l), 1, p.rows(), p.many)
	gathered := false
	for it := p.items(w, op, g.items, g.most); it.Next(); {
		p.look(w, op, it.Lo, g.items)
		if !gathered {
			gathered = true
			p.gather(x, l)
		}
		row, n, lo, hi := g.tile(it.Lo, it.Hi)
		hi = min(hi, p.Width)
		m := hi - lo
		t.Acts.Slice(x, row, n)
		p.product(t, out, m, l, lo, hi, &t.Acts)
		if it.Commit() {
			for i := range n {
				p.tier.Add(p.x[(row+i)*p.Width+lo:][:m], out[i*m:(i+1)*m])
			}
		}
	}
}

// multiplyHead multiplies the head with the normed rows of the wanted ones from
// number first on, x, each of that many planes, whose products are added.
func (p *pass) multiplyHead(w *kernels.Worker, x *tensor.Acts, first, rows, planes int) {
	t, dst := p.workers[w.ID], p.logits[first*p.Vocab:]
	out := t.Out[0]
	g := newGrid(w.Of, panels(&p.headLayer), 1, rows*planes, false)
	for it := p.items(w, plan.OpHead, g.items, g.most); it.Next(); {
		p.lookHead(w, it.Lo, g.items, first)
		row, n, lo, hi := g.tile(it.Lo, it.Hi)
		hi = min(hi, p.Vocab)
		m := hi - lo
		t.Acts.Slice(x, row, n)
		p.product(t, out, m, &p.headLayer, lo, hi, &t.Acts)
		if !it.Commit() {
			continue
		}
		for i := 0; i < n; i += planes {
			logits := dst[(row+i)/planes*p.Vocab+lo:][:m]
			copy(logits, out[i*m:])
			for plane := 1; plane < planes; plane++ {
				p.tier.Add(logits, out[(i+plane)*m:(i+plane+1)*m])
			}
		}
	}
}
