package sample

import (
	"math"
	"slices"
)

const (
	buckets     = 512
	bucketSteps = steps / 8 // of exp2: weights in a bucket differ by less than a tenth
)

// nucleus returns the tokens of x that top-p keeps, in no order; top is the largest logit.
//
// The mass of tokens is counted by size, so that only those about as likely as the last
// one that stays have to be put in order.
func nucleus(dst []candidate, x []float32, top float32, p float64) []candidate {
	w := softmaxOf(top, 1)
	var mass [buckets]float64
	for _, logit := range x {
		m, down := exp2(w.exponent(logit))
		mass[min(down/bucketSteps, buckets-1)] += m
	}
	total := 0.0
	for _, m := range mass {
		total += m
	}
	want := float64(p * total)
	last, sum := 0, mass[0]
	for ; last < buckets-1 && sum < want; last++ {
		sum += mass[last+1]
	}
	least := math.Inf(-1)
	if last < buckets-1 {
		// A step more than the bucket has, as they are rounded.
		least = w.top - float64((last+1)*bucketSteps+1)/w.scale
	}
	dst = gather(dst, x, below(least))
	return dst[:leading(dst, want, w)]
}

// leading puts the best of kept first, as many as it takes for their mass to reach want,
// and returns their number: all if it never does. The last of them stands at its end, the
// others are in no order. This is quickselect, by mass.
func leading(kept []candidate, want float64, w softmax) int {
	from, to := 0, len(kept)
	for to-from > 24 {
		n := from + partition(kept[from:to])
		sum := mass(kept[from:n], w)
		if sum >= want {
			to = n
			continue
		}
		want -= sum
		if sum = w.weight(kept[n].logit); sum >= want {
			return n + 1
		}
		want -= sum
		from = n + 1
	}
	slices.SortFunc(kept[from:to], compare)
	return from + prefix(kept[from:to], want, w)
}

// partition takes a token out of the middle and puts those that are better in front of it
// and all others behind. It returns where it stands then.
func partition(kept []candidate) int {
	end := len(kept) - 1
	a, b, c := 0, end/2, end
	if better(kept[a], kept[b]) {
		a, b = b, a
	}
	// The median of three: b is better than a.
	switch {
	case better(kept[c], kept[b]):
		c = b
	case better(kept[a], kept[c]):
		c = a
	}
	kept[c], kept[end] = kept[end], kept[c]
	pivot, n := kept[end], 0
	for i, k := range kept[:end] {
		if better(k, pivot) {
			kept[i], kept[n] = kept[n], k
			n++
		}
	}
	kept[end], kept[n] = kept[n], pivot
	return n
}

// mass returns the sum of the tokens' weights.
func mass(kept []candidate, w softmax) float64 {
	sum := 0.0
	for _, c := range kept {
		sum += w.weight(c.logit)
	}
	return sum
}

// prefix returns how many of the first tokens it takes for their mass to reach want: all
// if it never does.
func prefix(kept []candidate, want float64, w softmax) int {
	sum := 0.0
	for i, c := range kept {
		sum += w.weight(c.logit)
		if sum >= want {
			return i + 1
		}
	}
	return len(kept)
}
