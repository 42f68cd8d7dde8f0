package sample

import (
	"cmp"
	"math"
	"slices"
)

// lowest is the smallest logit that takes part: minus infinity excludes a token.
const lowest = -math.MaxFloat32

// candidate is a token that may be drawn.
type candidate struct {
	id    int32
	logit float32
}

// better orders candidates: the larger logit first, of equals the lower id.
func better(a, b candidate) bool {
	return a.logit > b.logit || a.logit == b.logit && a.id < b.id
}

func compare(a, b candidate) int {
	if c := cmp.Compare(b.logit, a.logit); c != 0 {
		return c
	}
	return cmp.Compare(a.id, b.id)
}

// largest appends to dst, which is empty, the k best tokens, best first; fewer
// when there are not so many. Excluded tokens and those that the constraint
// forbids (nil forbids none) are left out.
//
// A heap of the k best so far has its worst on top, so that the scan costs one
// comparison for nearly every token and the constraint is asked only about
// those that would enter.
func largest(dst []candidate, logits []float32, k int, c Constraint) []candidate {
	i := 0
	for ; i < len(logits) && len(dst) < k; i++ {
		if x := logits[i]; x >= lowest && (c == nil || c.Allowed(int32(i))) {
			dst = append(dst, candidate{int32(i), x})
		}
	}
	if i < len(logits) {
		heapify(dst)
		worst := dst[0].logit
		// Ids ascend, so a token as good as the worst is behind it.
		for i = above(logits, i, worst); i < len(logits); i = above(logits, i+1, worst) {
			if c == nil || c.Allowed(int32(i)) {
				dst[0] = candidate{int32(i), logits[i]}
				siftDown(dst, 0)
				worst = dst[0].logit
			}
		}
	}
	slices.SortFunc(dst, compare)
	return dst
}

// above returns the first index from i on of a number above least, len(x) if there
// is none. It calls nothing, as scan does not.
func above(x []float32, i int, least float32) int {
	for ; len(x)-i >= 4; i += 4 {
		if four := (*[4]float32)(x[i:]); four[0] > least || four[1] > least || four[2] > least || four[3] > least {
			break
		}
	}
	for ; i < len(x); i++ {
		if x[i] > least {
			return i
		}
	}
	return len(x)
}

// heapify orders h so that each element is no better than its two children.
func heapify(h []candidate) {
	for i := len(h)/2 - 1; i >= 0; i-- {
		siftDown(h, i)
	}
}

func siftDown(h []candidate, i int) {
	for {
		child := 2*i + 1
		if child >= len(h) {
			return
		}
		if child+1 < len(h) && better(h[child], h[child+1]) {
			child++
		}
		if !better(h[i], h[child]) {
			return
		}
		h[i], h[child] = h[child], h[i]
		i = child
	}
}

// gather appends to dst the tokens whose logit is above least, by id.
func gather(dst []candidate, logits []float32, least float32) []candidate {
	for i := above(logits, 0, least); i < len(logits); i = above(logits, i+1, least) {
		dst = append(dst, candidate{int32(i), logits[i]})
	}
	return dst
}

// exceeding leaves of kept those whose logit is above least.
func exceeding(kept []candidate, least float32) []candidate {
	n := 0
	for _, c := range kept {
		if c.logit > least {
			kept[n] = c
			n++
		}
	}
	return kept[:n]
}

// floorOf returns the least logit that is minP times as likely as top: minus infinity if
// minP is 0. The logarithm is rounded, as its last bits differ between processors.
func floorOf(top float32, minP float64) float64 {
	return float64(top) + float64(float32(math.Log(minP)))
}

// below returns the largest float32 below x: a logit is above it exactly if it is at
// least x.
func below(x float64) float32 {
	f := float32(x)
	if float64(f) >= x {
		f = math.Nextafter32(f, float32(math.Inf(-1)))
	}
	return f
}
