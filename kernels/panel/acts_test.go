package panel_test

import (
	"math"
	"math/rand/v2"
	"unsafe"

	"qgo/kernels/tier"
	"qgo/tensor"
)

// misaligned returns a batch of quantised activations that begins 4 bytes off a
// cache line, all that the type of a block promises.
func misaligned(n, cols int) *tensor.Acts {
	x := tensor.NewActs(n, cols)
	raw := tensor.Make[byte]((len(x.Q) + 1) * tensor.BlockBytes)
	x.Q = unsafe.Slice((*tensor.Block)(unsafe.Pointer(&raw[4])), len(x.Q))
	return x
}

// misalignedWords is misaligned with activations in 16 bits.
func misalignedWords(n, cols int) *tensor.Acts {
	x := tensor.Forms{Words: true}.NewActs(n, cols)
	raw := tensor.Make[byte]((len(x.W) + 1) * tensor.WordsBytes)
	x.W = unsafe.Slice((*tensor.Words)(unsafe.Pointer(&raw[4])), len(x.W))
	return x
}

// random returns a batch of random activations in each form that the tier multiplies with
// integer weights.
func random(rng *rand.Rand, plain *tier.Tier, n, cols int) []*tensor.Acts {
	x := misaligned(n, cols)
	for i := range x.F {
		x.F[i] = float32(rng.NormFloat64())
	}
	for i := range n {
		plain.Quantize(x.Row(i), x.QuantRow(i))
	}
	if plain.Words == nil {
		return []*tensor.Acts{x}
	}
	words := misalignedWords(n, cols)
	for i := range n {
		plain.Words(x.Row(i), words.WordsRow(i))
	}
	return []*tensor.Acts{x, words}
}

// filled returns a batch of codes, of 8 bits and as many times as large in 16, in these forms.
func filled(rng *rand.Rand, plain *tier.Tier, n, cols int, code func(int) int8) []*tensor.Acts {
	x := misaligned(n, cols)
	for i := range n {
		fill(x.QuantRow(i), code, plain.Group, rng)
	}
	if plain.Words == nil {
		return []*tensor.Acts{x}
	}
	words := misalignedWords(n, cols)
	for i := range n {
		for j := range words.WordsRow(i) {
			fillWords(&words.WordsRow(i)[j], code, rng)
		}
	}
	return []*tensor.Acts{x, words}
}

// fill makes blocks of codes, in groups of so many, with scales of many sizes.
func fill(row []tensor.Block, code func(int) int8, group int, rng *rand.Rand) {
	for j := range row {
		b := &row[j]
		for i := range b.Q {
			b.Q[i] = code(i)
		}
		var sums [2]int32
		for h := range b.D {
			if b.D[h] = b.D[0]; h*tensor.GroupLen%group == 0 {
				b.D[h] = scaleOfAnySize(rng)
			}
			for _, q := range b.Q[h*tensor.GroupLen:][:tensor.GroupLen] {
				sums[h] += int32(q)
			}
		}
		b.SetSums(sums)
	}
}

// fillWords makes the largest word of a code of 127.
func fillWords(w *tensor.Words, code func(int) int8, rng *rand.Rand) {
	var sums [2]int32
	for i := range w.Q {
		q := int16(code(i)) * (tensor.MaxWord / 127)
		w.Q[tensor.WordIndex(i)] = q
		sums[i/tensor.GroupLen] += int32(q)
	}
	w.D = scaleOfAnySize(rng)
	w.SetSums(sums)
}

func scaleOfAnySize(rng *rand.Rand) float32 {
	return float32(math.Ldexp(rng.NormFloat64(), rng.IntN(60)-30))
}
