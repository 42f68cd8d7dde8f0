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

// tries is at how many earlier occurrences of a sequence Find looks.
const tries = 8

// Lookup finds where the last tokens of a text stood in it before.
type Lookup struct {
	tokens []int32
	// tables have, by the hash of n tokens, the position after their latest
	// occurrence but the one at the end; 0 if there is none. before have, by
	// such a position, the one of the occurrence before that.
	tables, before [longest - shortest + 1][]int32
	mask           uint64
}

// Guess is how a text may go on.
type Guess struct {
	Next  []int32 // tokens, valid until Add; none if there is no guess
	Match int     // so many tokens before them are those at the text's end
	// Other is set if the end stood in the text yet another time, and Agreed is how
	// many tokens of Next followed that, too.
	Other  bool
	Agreed int
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
		l.before[i] = make([]int32, tokens)
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
		latest := &l.tables[n-shortest][l.hash(n)]
		l.before[n-shortest][len(l.tokens)] = *latest
		*latest = int32(len(l.tokens))
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

// Find returns what followed where the text's end stood in it before. Of the latest
// such places it is the one where most tokens before it match, too; of several of these
// the latest.
func (l *Lookup) Find() (g Guess) {
	for n := min(longest, len(l.tokens)); n >= shortest && g.Match == 0; n-- {
		other, second := 0, 0 // the next best place, and its match
		at := int(l.tables[n-shortest][l.hash(n)])
		for i := 0; i < tries && at > 0; i++ {
			switch match := l.match(at); {
			case match < n: // only their hashes are the same
			case match > g.Match:
				other, second = len(l.tokens)-len(g.Next), g.Match
				g.Next, g.Match = l.tokens[at:], match
			case match > second:
				other, second = at, match
			}
			at = int(l.before[n-shortest][at])
		}
		if g.Other = second > 0; g.Other {
			g.Agreed = alike(g.Next, l.tokens[other:])
		}
	}
	return g
}

// alike is with how many same tokens two texts begin, as far as drafts go.
func alike(a, b []int32) (n int) {
	for n < min(len(a), len(b), MaxTokens) && a[n] == b[n] {
		n++
	}
	return n
}

// match is how many tokens before a position are those at the end.
func (l *Lookup) match(at int) (n int) {
	end := len(l.tokens)
	for n < min(at, maxMatch) && l.tokens[at-1-n] == l.tokens[end-1-n] {
		n++
	}
	return n
}
