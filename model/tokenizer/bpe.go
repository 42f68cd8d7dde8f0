package tokenizer

import (
	"slices"
	"sync/atomic"
)

// shortPiece is the length in bytes up to which a piece is merged by scanning
// all its pairs for the lowest rank. The scan is quadratic, but beats a heap
// on what fits in a few cache lines.
const shortPiece = 64

// encodePiece appends the tokens of a piece of text, which is not empty.
func (t *Tokenizer) encodePiece(dst []int32, piece string) []int32 {
	if len(piece) == 1 {
		return append(dst, int32(t.bytes[piece[0]]))
	}
	if len(piece) > t.longest {
		return t.merge(dst, piece)
	}
	id := t.tokens.find(piece)
	if id == noID {
		return t.merge(dst, piece)
	}
	yes, known := t.whole.get(id)
	if yes {
		return append(dst, int32(id))
	}
	n := len(dst)
	dst = t.merge(dst, piece)
	if !known {
		t.whole.set(id, len(dst) == n+1)
	}
	return dst
}

// merge appends the tokens that a piece's bytes merge to.
func (t *Tokenizer) merge(dst []int32, piece string) []int32 {
	if len(piece) <= shortPiece {
		return t.mergeShort(dst, piece)
	}
	return t.mergeLong(dst, piece)
}

func (t *Tokenizer) mergeShort(dst []int32, piece string) []int32 {
	var idBuf, rankBuf [shortPiece]uint32 // rank i is that of the pair (i, i+1)
	ids, ranks := idBuf[:len(piece)], rankBuf[:len(piece)]
	for i := range ids {
		ids[i] = t.bytes[piece[i]]
	}
	for i := range len(ids) - 1 {
		ranks[i] = t.merges.rank(ids[i], ids[i+1])
	}
	ranks[len(ids)-1] = noRank
	for {
		best, at := uint32(noRank), 0
		for i, r := range ranks {
			if r < best {
				best, at = r, i
			}
		}
		if best == noRank {
			break
		}
		ids[at] = t.merges.result[best]
		copy(ids[at+1:], ids[at+2:])
		copy(ranks[at:], ranks[at+1:])
		ids, ranks = ids[:len(ids)-1], ranks[:len(ranks)-1]
		if at+1 < len(ids) {
			ranks[at] = t.merges.rank(ids[at], ids[at+1])
		}
		if at > 0 {
			ranks[at-1] = t.merges.rank(ids[at-1], ids[at])
		}
	}
	for _, id := range ids {
		dst = append(dst, int32(id))
	}
	return dst
}

// mergeLong takes O(n log n) steps. Tokens are known by the index of their
// first byte and linked to their neighbours.
func (t *Tokenizer) mergeLong(dst []int32, piece string) []int32 {
	n := int32(len(piece)) // no text that comes here has 2 GB
	s := workspace.Swap(nil)
	if s == nil {
		s = new(longPiece)
	}
	defer workspace.Store(s)
	tokens := slices.Grow(s.tokens[:0], len(piece))[:n]
	queue := slices.Grow(s.queue[:0], len(piece))
	for i := range n {
		tokens[i] = longToken{id: t.bytes[piece[i]], rank: noRank, prev: i - 1, next: i + 1}
	}
	offer := func(i int32) { // works out the rank at i anew
		tok := &tokens[i]
		tok.rank = noRank
		if tok.next == n {
			return
		}
		tok.rank = t.merges.rank(tok.id, tokens[tok.next].id)
		if tok.rank != noRank {
			queue.push(uint64(tok.rank)<<(64-rankBits) | uint64(i))
		}
	}
	for i := range n {
		offer(i)
	}
	for len(queue) > 0 {
		e := queue.pop()
		rank, i := uint32(e>>(64-rankBits)), int32(e&(1<<(64-rankBits)-1))
		tok := &tokens[i]
		// A rank that is no longer the token's belongs to a pair that another
		// merge has taken a part of.
		if tok.rank != rank {
			continue
		}
		gone := &tokens[tok.next]
		gone.rank = noRank
		tok.id = t.merges.result[rank]
		tok.next = gone.next
		if tok.next < n {
			tokens[tok.next].prev = i
		}
		offer(i)
		if tok.prev >= 0 {
			offer(tok.prev)
		}
	}
	for i := int32(0); i < n; i = tokens[i].next {
		dst = append(dst, int32(tokens[i].id))
	}
	s.tokens, s.queue = tokens, queue
	return dst
}

// longPiece is what mergeLong works in. It is used again: a text of many long
// words would leave as many behind.
type longPiece struct {
	tokens []longToken
	queue  mergeQueue
}

type longToken struct {
	id         uint32
	rank       uint32 // of the merge with the next token
	prev, next int32
}

// workspace is one that nobody works in, or nil. Each encode drops it in the end. A
// sync.Pool has one for each processor, and so may hold several times what a text takes.
var workspace atomic.Pointer[longPiece]

// mergeQueue is a binary min-heap of merges: the rank above the position, so
// that the leftmost of equal merges comes first.
type mergeQueue []uint64

func (q *mergeQueue) push(e uint64) {
	h := append(*q, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 2
		if h[up] <= e {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*q = h
}

func (q *mergeQueue) pop() uint64 {
	h := *q
	top, e := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*q = h
	i := 0
	for {
		down := 2*i + 1
		if down >= len(h) {
			break
		}
		if down+1 < len(h) && h[down+1] < h[down] {
			down++
		}
		if e <= h[down] {
			break
		}
		h[i] = h[down]
		i = down
	}
	if len(h) > 0 {
		h[i] = e
	}
	return top
}
