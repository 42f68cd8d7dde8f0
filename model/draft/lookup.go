// Package draft guesses how a text goes on from what stood in it before, so that
// several tokens can be checked in one pass of the model: answers that quote, edit
// or repeat are full of what was there already. Guesses change how fast a text
// comes, never the text.
package draft

// Lengths of the sequences of tokens that are looked up.
const (
	shortest = 2
	longest  = 4
)

// maxMatch is up to which length a match is followed back: longer ones are no
// better.
const maxMatch = 32

// Lookup finds where the last tokens of a text stood in it before.
type Lookup struct {
	tokens []int32
	// tables have, by the hash of n tokens, the position after their latest
	// occurrence but the one at the end; 0 if there is none.
	tables [longest - shortest + 1][]int32
	mask   uint64
}

// NewLookup makes room for texts of that many tokens.
func NewLookup(tokens int) *Lookup {
	size := 16
	for size < 2*tokens {
		size *= 2
	}
	l := &Lookup{tokens: make([]int32, 0, tokens), mask: uint64(size - 1)}
	for i := range l.tables {
		l.tables[i] = make([]int32, size)
	}
	return l
}

// Reset begins with another text.
func (l *Lookup) Reset() {
	l.tokens = l.tokens[:0]
	for _, t := range l.tables {
		clear(t)
	}
}

// Add appends a token to the text. There must be room for it.
func (l *Lookup) Add(id int32) {
	// What ended before this token has an end now, and is something to go on from.
	for n := shortest; n <= min(longest, len(l.tokens)); n++ {
		l.tables[n-shortest][l.hash(n)] = int32(len(l.tokens))
	}
	l.tokens = append(l.tokens, id)
}

// hash is that of the last n tokens.
func (l *Lookup) hash(n int) uint64 {
	const odd = 0x9e3779b97f4a7c15 // 2^64 by the golden ratio
	h := uint64(n)
	for _, id := range l.tokens[len(l.tokens)-n:] {
		h = (h ^ uint64(uint32(id))) * odd
		h ^= h >> 29
	}
	return h & l.mask
}

// Find returns the tokens that followed the last occurrence of what the text ends
// with, the longest known end first, and how many tokens match. There are none if
// it ends with nothing that stood there before. The slice is valid until Add.
func (l *Lookup) Find() (next []int32, match int) {
	for n := min(longest, len(l.tokens)); n >= shortest; n-- {
		at := int(l.tables[n-shortest][l.hash(n)])
		if at == 0 {
			continue
		}
		if match = l.match(at); match >= n { // and not only their hashes
			return l.tokens[at:], match
		}
	}
	return nil, 0
}

// match is how many tokens before a position are those at the end.
func (l *Lookup) match(at int) (n int) {
	end := len(l.tokens)
	for n < min(at, maxMatch) && l.tokens[at-1-n] == l.tokens[end-1-n] {
		n++
	}
	return n
}
