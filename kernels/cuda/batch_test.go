package cuda

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"qgo/kernels/plan"
	"qgo/quant"
	"qgo/tensor"
)

// TestBatch compares products with several rows of x with those in float64, and with those of
// other numbers of rows to the bit, by each kernel: which one it is depends on how many rows there
// are, and on how much memory a block may have.
func TestBatch(t *testing.T) {
	dev := tensorGPU(t, 2)
	wholes := 0
	for _, typ := range quant.Types() {
		if !typ.HasKernels() {
			continue
		}
		for i, cols := range lens(typ) {
			if *realGPU < 0 && (i == 1 || testing.Short() && typ != quant.Q5_K) {
				continue // takes long in the emulator
			}
			const rows = 71
			length := 1 + i/2
			t.Run(fmt.Sprintf("%v/%dx%d", typ, rows, cols), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(typ), uint64(cols)))
				w := matrix(t, rng, typ, rows, cols)
				numbers := inFloats(w)
				weights := floatsOf(numbers.Data)
				x := randoms(rng, 40*cols)
				seen := x // by the units
				if typ.Integer() {
					seen = elevenBits(x)
				}
				var before []float32
				info := dev.info
				defer func() { dev.info = info }()
				room := func(ofX int) int { // for that many rows of x
					if !typ.Integer() {
						return memoryOfFloats(formatOf(typ), ofX)
					}
					return memoryOfBatch(formatOf(typ), 1, length, ofX)
				}
				for _, c := range []struct{ n, sms, memory int }{
					{1, 2, info.BlockMemory},
					{3, 2, info.BlockMemory},
					{5, 2, info.BlockMemory},
					{20, 2, info.BlockMemory},
					{20, 4, room(16)},    // no room for 32
					{20, 1, room(8) - 1}, // nor for anything
					{40, 4, info.BlockMemory},
				} {
					n := c.n
					dev.info.SMs, dev.info.BlockMemory = c.sms, c.memory
					var got []float32
					err := dev.do(func() (err error) {
						got, err = batchOf(&Stage{dev: dev, memory: memory{dev: dev}}, w, x[:n*cols], length, false)
						return err
					})
					if err != nil {
						t.Fatal(err)
					}
					if !slices.Equal(got[:len(before)], before) {
						t.Errorf("%d rows: the first ones are not those of fewer", n)
					}
					before = got
					for j := range n {
						for r := range rows {
							want, size := 0.0, 0.0
							for c := range cols {
								p := float64(weights[r*cols+c]) * float64(seen[j*cols+c])
								want += p
								size += math.Abs(p)
							}
							if d := math.Abs(float64(got[j*rows+r]) - want); !(d <= 2e-6*size) {
								t.Fatalf("%d rows: product %d of row %d is %g, want %g", n, r, j, got[j*rows+r], want)
							}
						}
					}
				}
				// A quad that adds up the parts by itself adds as what reads them does.
				if parts := ceil(stepsOf(cols), length); !typ.Integer() || parts == 1 || parts > mostWhole {
					return
				}
				wholes++
				err := dev.do(func() error {
					got, err := batchOf(&Stage{dev: dev, memory: memory{dev: dev}}, w, x[:20*cols], length, true)
					if err == nil && !slices.Equal(got, before[:len(got)]) {
						t.Error("parts that are added up at once make other numbers")
					}
					return err
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	if !testing.Short() && wholes == 0 {
		t.Error("no matrix has parts that are added up at once")
	}
}

// elevenBits are the numbers of groups, rounded to 23 bits, as multiples of 2^-10 of the power of
// two in the largest.
func elevenBits(x []float32) []float32 {
	out := make([]float32, 0, len(x))
	for group := range slices.Chunk(x, groupLen) {
		most := float32(0)
		for _, v := range group {
			most = max(most, max(v, -v))
		}
		rounded := func(v float32) float64 {
			bits := math.Float32bits(v)
			return float64(math.Float32frombits((bits + bits>>1&1) &^ 1))
		}
		_, exponent := math.Frexp(float64(most))
		for _, v := range group {
			out = append(out, float32(math.Ldexp(math.RoundToEven(math.Ldexp(rounded(v), 11-exponent)), exponent-11)))
		}
	}
	return out
}

// batchOf returns the products of w with rows of x, whose parts are of so many steps; with whole, as
// blocks make them that add up the parts, a tile of weights after the other.
func batchOf(s *Stage, w tensor.Tensor, x []float32, length int, whole bool) ([]float32, error) {
	defer s.memory.free()
	l, err := s.linear(planLinear(w, nil))
	if err != nil {
		return nil, err
	}
	n := len(x) / w.Cols
	px, err := upload(&s.memory, x)
	if err != nil {
		return nil, err
	}
	if s.slots, err = s.memory.alloc(int64(ceil(n, mostOfX) * mostOfX * w.Cols / groupLen * slotBytes)); err != nil {
		return nil, err
	}
	parts := ceil(stepsOf(w.Cols), length)
	if whole {
		parts = 1
		shape, _ := batchShareOf(&l, length, n, 16, 1, true, 1, s.dev.info.BlockMemory)
		l.shapes = map[shapeKey]batchShape{{length, n}: shape}
	}
	y := make([]float32, parts*n*w.Rows)
	py, err := upload(&s.memory, y)
	if err != nil {
		return nil, err
	}
	p := &pass{Stage: s}
	p.inRows(&l, length, n, slotsArgs{x: px, width: int32(w.Cols), stride: int32(w.Cols)})
	p.multiplySlots(&l, nil, length, n, 0, py)
	if p.err != nil {
		return nil, p.err
	}
	err = s.dev.ctx.CopyOut(bytesOf(y), py)
	sums := y[:n*w.Rows]
	for i, v := range y[len(sums):] {
		sums[i%len(sums)] += v
	}
	return sums, err
}

func floatsOf(b []byte) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// TestBatchBits computes sequences together and one token at a time: not a bit may differ, in
// sequences of several spans and of one, short prompts, batches of one row and of more than a
// block takes, for all heads, types of keys and values and types of weights, and where attention is by units for
// products of matrices from some position on.
func TestBatchBits(t *testing.T) {
	for i, c := range []struct {
		headDim, group, ffn, sms, above int
		types                           []quant.Type
	}{
		{64, 1, 256, 4, 14, []quant.Type{quant.Q4_0}},
		// Two heads of a KV head together, and a third one, but where there are few rows one by itself.
		{128, 3, 2048, 8, 7, []quant.Type{quant.Q4_K, quant.Q6_K, quant.F32, quant.Q8_0, quant.IQ4_NL, quant.IQ4_NL, quant.Q2_K}},
		{64, 3, 256, 4, 0, []quant.Type{quant.Q5_0, quant.Q3_K, quant.IQ4_XS, quant.Q8_0, quant.F16, quant.F16, quant.BF16}},
	} {
		p := shapeOf(t, c.ffn, c.headDim, c.group, c.types...)
		for j, typ := range kvTypes {
			if *realGPU < 0 && (i != j || testing.Short() && i > 0) {
				continue // takes long in the emulator
			}
			long := i == 0 || *realGPU >= 0
			t.Run(fmt.Sprintf("%d heads of %d, %v", p.Heads, c.headDim, typ), func(t *testing.T) {
				if n := lengthOfSeq(0, long) + lengthOfSeq(1, long) + lengthOfSeq(2, long) - 3*2; long && n <= rowsAtOnce {
					t.Fatalf("%d rows go through a block together", n)
				}
				s := tokenStageFor(t, tokenGPU(t, tensorCapability, c.sms), p, plan.Options{MaxRows: rowsAtOnce + 16, MaxCtx: 200})
				s.token.unitsAbove = c.above
				for _, k := range append([]quant.Type{p.Head.W.Type}, c.types...) {
					if s.dev.functions["slots_"+k.String()] == nil {
						t.Errorf("the first tokens of weights in %v wait for their kernels", k)
					}
				}
				const each, seqs = 2, 18
				var one [][]float32 // of each sequence, the logits of its last tokens
				for q := range seqs {
					kv := newKV(t, s, 100, typ)
					var all []float32
					for pos := range lengthOfSeq(q, long) {
						row := logitsOfRows(t, s, []plan.Span{{KV: kv, Pos: pos, N: 1}}, tokensOf(q, pos, 1))
						all = append(all, row...)
					}
					one = append(one, all[len(all)-each*p.Vocab:])
				}
				var kvs []plan.KV
				var spans []plan.Span
				var tokens []int32
				for q := range seqs {
					kvs = append(kvs, newKV(t, s, 100, typ))
					n := lengthOfSeq(q, long) - each // a prompt, in one piece
					spans = append(spans, plan.Span{KV: kvs[q], N: n})
					tokens = append(tokens, tokensOf(q, 0, n)...)
				}
				for first := 0; first < seqs; first += 3 { // as many rows as there is room for
					at := 0
					for _, s := range spans[:first] {
						at += s.N
					}
					n := at
					for _, s := range spans[first : first+3] {
						n += s.N
					}
					logitsOfRows(t, s, spans[first:first+3], tokens[at:n])
				}
				for k := range each {
					tokens = tokens[:0]
					for q := range seqs {
						pos := lengthOfSeq(q, long) - each + k
						spans[q] = plan.Span{KV: kvs[q], Pos: pos, N: 1}
						tokens = append(tokens, tokensOf(q, pos, 1)...)
					}
					for _, n := range []int{seqs, 2} { // two rows of a small model have a launch each
						got := logitsOfRows(t, s, spans[:n], tokens[:n])
						for q := range n {
							if !slices.Equal(got[q*p.Vocab:][:p.Vocab], one[q][k*p.Vocab:][:p.Vocab]) {
								t.Fatalf("token %d of sequence %d of %d: the logits are not those of the sequence by itself", k, q, n)
							}
						}
					}
				}
				s.Profile(true) // takes a launch for each operation
				for k := range each {
					pos := lengthOfSeq(0, long) - each + k
					got := logitsOfRows(t, s, []plan.Span{{KV: kvs[0], Pos: pos, N: 1}}, tokensOf(0, pos, 1))
					if !slices.Equal(got, one[0][k*p.Vocab:][:p.Vocab]) {
						t.Fatalf("token %d: the logits are not those of a token in one launch", pos)
					}
				}
			})
		}
	}
}

// lengthOfSeq is that of a sequence. The first is of several spans; with long the prompts of the
// first three are more rows than go through a block together.
func lengthOfSeq(seq int, long bool) int {
	switch {
	case seq < 3 && long:
		return []int{30, 27, 20}[seq]
	case seq == 0:
		return 14
	}
	return 3 + seq%2
}

// tokensOf are tokens of a sequence.
func tokensOf(seq, pos, n int) (tokens []int32) {
	for i := range n {
		tokens = append(tokens, int32((seq*31+(pos+i)*17)%100))
	}
	return tokens
}

// logitsOfRows returns those of the last row of each span.
func logitsOfRows(t *testing.T, s *Stage, spans []plan.Span, tokens []int32) []float32 {
	t.Helper()
	b := &plan.Batch{Spans: spans, Tokens: tokens, Logits: make([]float32, len(spans)*s.Vocab)}
	row := 0
	for _, span := range spans {
		row += span.N
		b.Outputs = append(b.Outputs, row-1)
	}
	if err := s.Run(context.Background(), b); err != nil {
		t.Fatal(err)
	}
	return b.Logits
}

// TestBatchShape says how products of known sizes are shared: all of a GPU has something to do,
// and nothing that does not fit into a block's memory is chosen.
func TestBatchShape(t *testing.T) {
	const sms, memory = 132, 227 << 10
	// The stages of a quad: four, of 32 rows of four groups and their scales. Of Q6_K warps have tiles, too.
	const q4, q6 = 4 * 32 * (4*16 + 16), 4*32*(4*24+16) + 4*2560
	for _, c := range []struct {
		rows, cols, length, n int
		typ                   quant.Type
		memory                int
		want                  batchShape
	}{
		{896, 896, 1, 1, quant.Q4_0, memory, batchShape{"few_", true, false, 8, 0, 49, 0}},
		{151936, 8192, 64, 1, quant.F16, memory, batchShape{"few_", true, false, 8, 0, 1187, 0}},
		{896, 896, 1, 2, quant.BF16, memory, batchShape{"batch8_", true, false, 4, 2 * 4 * (64*64 + 8*128), 14 * 7, 0}},
		{896, 896, 1, 9, quant.F16, memory, batchShape{"batch16_", true, false, 4, 2 * 4 * (64*64 + 16*128), 14 * 7, 0}},
		{896, 4864, 3, 16, quant.F16, memory, batchShape{"batch8_", true, false, 4, 2 * 4 * (64*64 + 8*128), 14 * 13 * 2, 0}}, // by 16 one or two blocks for each
		{9728, 896, 3, 32, quant.F16, memory, batchShape{"batch16_", true, false, 4, 2 * 4 * (64*64 + 16*128), 152 * 3 * 2, 0}},
		{151936, 896, 7, 64, quant.F32, memory, batchShape{"batch32_", true, false, 4, 2 * 4 * (64*128 + 32*128), 2374 * 2, 0}},
		{151936, 896, 7, 64, quant.F32, 99 << 10, batchShape{"batch32_", true, false, 4, 2 * 4 * (64*128 + 32*128), 2374 * 2, 0}},
		{151936, 896, 7, 64, quant.F32, 96<<10 - 1, batchShape{"batch16_", true, false, 4, 2 * 4 * (64*128 + 16*128), 2374 * 4, 0}},
		{896, 896, 1, 40, quant.F16, 40 << 10, batchShape{"batch8_", true, false, 4, 2 * 4 * (64*64 + 8*128), 14 * 7 * 5, 0}},
		{896, 896, 1, 40, quant.F16, 40<<10 - 1, batchShape{"few_", true, false, 8, 0, 49 * 40, 0}},
		{896, 896, 1, 4, quant.Q4_0, memory, batchShape{"batch8_", false, false, 4, q4 + 4*1024 + 4*8*72, 196, 28}},
		{9728, 896, 3, 8, quant.Q4_0, memory, batchShape{"batch8_", false, true, 12, 3*(q4+4*1024) + 28*8*72, 132, 132}},
		{9728, 896, 3, 9, quant.Q4_0, memory, batchShape{"batch16_", false, false, 16, 4*(q4+4*2048) + 12*16*72, 132, 44}},
		{9728, 896, 3, 16, quant.Q4_0, memory, batchShape{"batch16_", false, true, 12, 3*(q4+4*2048) + 28*16*72, 132, 132}},
		{9728, 896, 3, 32, quant.Q4_0, memory, batchShape{"batch32_", false, true, 12, 3*(q4+4*4096) + 28*32*72, 132, 132}},
		{896, 896, 1, 4, quant.Q6_K, memory, batchShape{"batch8_", false, false, 4, q6 + 4*1024 + 4*8*76, 196, 28}},
		{896, 4864, 3, 64, quant.Q4_0, memory, batchShape{"batch32_", false, false, 12, 3*(q4+4*4096) + 12*32*72, 130, 5}},
		{151936, 896, 7, 32, quant.Q4_0, memory, batchShape{"batch32_", false, false, 16, 4*(q4+4*4096) + 28*32*72, 132, 132}},
		{151936, 2048, 16, 32, quant.Q4_0, memory, batchShape{"batch32_", false, false, 12, 3*(q4+4*4096) + 64*32*72, 132, 132}},
		{151936, 2048, 16, 32, quant.Q4_0, 99 << 10, batchShape{"batch16_", false, false, 4, q4 + 4*2048 + 64*16*72, 132, 66}},
		{151936, 8192, 64, 32, quant.Q4_0, 99 << 10, batchShape{"few_", true, false, 8, 0, 1187 * 32, 0}},
		{1 << 30, 896, 7, 4, quant.Q4_0, memory, batchShape{"few_", true, false, 8, 0, 4 << 23, 0}}, // more groups than 32 bits count
	} {
		l := &linear{typ: c.typ}
		l.w.rows, l.w.cols = int32(c.rows), int32(c.cols)
		if got := batchShapeOf(l, c.length, c.n, sms, c.memory); got != c.want {
			t.Errorf("%d rows of %d by %d of %d parts: %v, want %v", c.n, c.cols, c.rows, c.length, got, c.want)
		}
	}
}
