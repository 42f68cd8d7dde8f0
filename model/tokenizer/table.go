package tokenizer

import "hash/maphash"

// Ids have idBits bits in the tables and merges rankBits, so that a pair of
// ids and its rank fill one word. The highest value of each is kept for
// "none". The largest vocabularies today have some 262 000 tokens.
const (
	idBits   = 20
	rankBits = 64 - 2*idBits

	noID   = 1<<idBits - 1
	noRank = 1<<rankBits - 1
)

// tableSize returns the number of slots of an open-addressing table of n
// entries: a power of two, at most two thirds full.
func tableSize(n int) (size int, log uint) {
	for 2<<log < 3*n {
		log++
	}
	return 1 << log, log
}

// tokenTable holds the bytes of all tokens and finds tokens by them. Its slots
// hold the id and, in the bits that this leaves, a part of the hash, which
// spares most comparisons with a wrong token.
type tokenTable struct {
	text   string   // the bytes of all tokens, in the order of ids
	offset []uint32 // token i is text[offset[i]:offset[i+1]]
	seed   maphash.Seed
	slots  []uint32
}

func newTokenTable(n int) tokenTable {
	size, _ := tableSize(n)
	slots := make([]uint32, size)
	for i := range slots {
		slots[i] = noID
	}
	return tokenTable{offset: make([]uint32, 1, n+1), seed: maphash.MakeSeed(), slots: slots}
}

// bytes returns the bytes of a token as a string.
func (t *tokenTable) bytes(id uint32) string {
	return t.text[t.offset[id]:t.offset[id+1]]
}

// append takes in the next token. text is that of the tokens so far, this one
// included.
func (t *tokenTable) append(text string) {
	t.text = text
	t.offset = append(t.offset, uint32(len(text)))
}

// slot returns the slot of the token whose bytes are text, or the free one
// where it belongs, and what the table keeps of its hash.
func (t *tokenTable) slot(text string) (slot, tag uint32) {
	h := maphash.String(t.seed, text)
	tag = uint32(h>>32) &^ noID
	mask := uint32(len(t.slots) - 1)
	for slot = uint32(h) & mask; ; slot = (slot + 1) & mask {
		s := t.slots[slot]
		if s&noID == noID || s&^noID == tag && t.bytes(s&noID) == text {
			return slot, tag
		}
	}
}

// find returns the token whose bytes are text, or noID.
func (t *tokenTable) find(text string) uint32 {
	slot, _ := t.slot(text)
	return t.slots[slot] & noID
}

// insert makes a token, whose bytes the table holds already, one that find
// finds. If another token has the same bytes, insert returns it and false.
func (t *tokenTable) insert(id uint32) (uint32, bool) {
	slot, tag := t.slot(t.bytes(id))
	if old := t.slots[slot] & noID; old != noID {
		return old, false
	}
	t.slots[slot] = tag | id
	return id, true
}

// mergeTable finds merges by the two tokens they join. A slot holds the left
// id, the right id and the rank, from the top.
type mergeTable struct {
	slots  []uint64
	shift  uint
	result []uint32 // the token that the merge of each rank makes
}

func newMergeTable(n int) mergeTable {
	size, log := tableSize(n)
	slots := make([]uint64, size)
	for i := range slots {
		slots[i] = 1<<64 - 1
	}
	return mergeTable{slots: slots, shift: 64 - log, result: make([]uint32, n)}
}

// slot returns the slot that holds the pair, or the free one where it belongs.
func (m *mergeTable) slot(pair uint64) uint64 {
	mask := uint64(len(m.slots) - 1)
	// Fibonacci hashing: the top bits of a product with 2^64 over the golden
	// ratio spread neighbouring keys evenly.
	i := pair * 0x9e3779b97f4a7c15 >> m.shift
	for {
		if p := m.slots[i] >> rankBits; p == pair || p == 1<<(2*idBits)-1 {
			return i
		}
		i = (i + 1) & mask
	}
}

// rank returns the rank of the merge of two tokens, or noRank.
func (m *mergeTable) rank(left, right uint32) uint32 {
	pair := uint64(left)<<idBits | uint64(right)
	return uint32(m.slots[m.slot(pair)]) & noRank
}

// insert adds a merge. If the pair has one already, insert returns its rank
// and false.
func (m *mergeTable) insert(left, right, rank uint32) (uint32, bool) {
	pair := uint64(left)<<idBits | uint64(right)
	i := m.slot(pair)
	if old := uint32(m.slots[i]) & noRank; old != noRank {
		return old, false
	}
	m.slots[i] = pair<<rankBits | uint64(rank)
	return rank, true
}
