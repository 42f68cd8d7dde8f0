package tokenizer

import (
	"fmt"
	"math"
	"strings"

	"qgo/gguf/show"
)

// TokenType says what a token is; the values are those of GGUF's
// tokenizer.ggml.token_type.
type TokenType int32

const (
	Normal      TokenType = 1 // bytes, spelled in GPT-2's alphabet (see [Spell])
	Unknown     TokenType = 2 // stands for text without a token; never made here
	Control     TokenType = 3 // a mark such as <|im_end|>, recognised as a whole
	UserDefined TokenType = 4 // text that is recognised as a whole
	Unused      TokenType = 5 // fills the embedding up to a round size
	Byte        TokenType = 6 // a byte of another kind of vocabulary
)

// Vocab is what a Tokenizer is made of.
type Vocab struct {
	// Tokens holds the text of each token at its id: Normal ones in GPT-2's
	// alphabet, all others as they are.
	Tokens []string
	// Types holds the type of each token. If it is nil, all are Normal.
	Types []TokenType
	// Merges holds pairs of tokens, separated by a space, in order of rank:
	// the first is done first.
	Merges []string

	// Ids of special tokens, or [None].
	BOS, EOS, EOT, Pad int32
	// AddBOS says that the model expects BOS before every text.
	AddBOS bool
	// Split is the name of the pre-tokeniser, "" for Qwen2's.
	Split string
}

// typeOf returns the type of a token.
func (v *Vocab) typeOf(id int) TokenType {
	if v.Types == nil {
		return Normal
	}
	return v.Types[id]
}

// A vocabError is a fault in one part of a vocabulary.
type vocabError struct {
	part vocabPart
	msg  string
}

type vocabPart int

const (
	partTokens vocabPart = iota
	partTypes
	partMerges
	partBOS
	partEOS
	partEOT
	partPad
)

func (e *vocabError) Error() string { return "tokenizer: " + e.msg }

func faultf(part vocabPart, format string, args ...any) error {
	return &vocabError{part, fmt.Sprintf(format, args...)}
}

// New makes a Tokenizer. It reports as an error tokens of equal text, bytes
// without a Normal token, and types and ids out of range. Merges that repeat, or
// that name or make unknown tokens, are left out, as in llama.cpp. The Tokenizer
// keeps no reference to v.
func New(v Vocab) (*Tokenizer, error) {
	n := len(v.Tokens)
	if n >= noID {
		return nil, faultf(partTokens, "%d tokens, at most %d are supported", n, noID-1)
	}
	if len(v.Merges) >= noRank {
		return nil, faultf(partMerges, "%d merges, at most %d are supported", len(v.Merges), noRank-1)
	}
	if v.Types != nil && len(v.Types) != n {
		return nil, faultf(partTypes, "%d token types for %d tokens: expected as many", len(v.Types), n)
	}
	split, ok := preTokenizerOf(v.Split)
	if !ok {
		return nil, fmt.Errorf("%s, found %s", expectedSplit(), show.Quoted(v.Split))
	}
	t := &Tokenizer{split: split, whole: newWholeSet(n), control: make(map[int32]bool)}
	v.Types = t.markSpecials(v)
	for _, add := range []func(Vocab) error{t.addTokens, t.addMerges, t.addRoles} {
		if err := add(v); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// addTokens fills the tables of tokens. Those that are not Normal stand for
// their text, and so do, as in Hugging Face's decoder, Normal ones with a
// character from outside GPT-2's alphabet; merges do not reach such tokens.
func (t *Tokenizer) addTokens(v Vocab) error {
	size := 0
	for _, s := range v.Tokens {
		size += len(s)
	}
	if uint64(size) > math.MaxUint32 {
		return faultf(partTokens, "the texts of the tokens have %d bytes, at most %d are supported", size, uint32(math.MaxUint32))
	}
	t.tokens = newTokenTable(len(v.Tokens))
	literal := make(map[string]int)
	var text strings.Builder
	text.Grow(size)
	for id, s := range v.Tokens {
		t.maxBytes = max(t.maxBytes, len(s)) // spelled in letters, bytes are no fewer
		typ := v.typeOf(id)
		if typ < Normal || typ > Byte {
			return faultf(partTypes, "token %d %s has type %d, expected one from %d to %d", id, show.Quoted(s), typ, Normal, Byte)
		}
		if typ == Normal && spelled(s) {
			start := text.Len()
			unspell(&text, s)
			t.tokens.append(text.String())
			if old, ok := t.tokens.insert(uint32(id)); !ok {
				return faultf(partTokens, "tokens %d and %d are both %s", old, id, show.Quoted(s))
			}
			t.longest = max(t.longest, text.Len()-start)
			continue
		}
		text.WriteString(s)
		t.tokens.append(text.String())
		if old, ok := literal[s]; ok {
			return faultf(partTokens, "tokens %d and %d are both %s", old, id, show.Quoted(s))
		}
		literal[s] = id
		t.control[int32(id)] = typ == Control
		if typ == Control || typ == UserDefined {
			t.special.add(t.tokens.bytes(uint32(id)), uint32(id))
		}
	}
	for b := range t.bytes {
		t.bytes[b] = t.tokens.find(string([]byte{byte(b)}))
		if t.bytes[b] == noID {
			return faultf(partTokens, "no normal token %q for the byte 0x%02x: byte-level BPE needs one for each byte", letterOf[b], b)
		}
	}
	return nil
}

// addMerges fills the table of merges.
func (t *Tokenizer) addMerges(v Vocab) error {
	size := 0
	for _, m := range v.Merges {
		size += len(m)
	}
	t.merges = newMergeTable(len(v.Merges))
	var text strings.Builder // the bytes of all merges
	text.Grow(size)
	skipped, example := 0, ""
	for rank, m := range v.Merges {
		if !t.addMerge(&text, m, uint32(rank)) {
			if skipped++; skipped == 1 {
				example = m
			}
		}
	}
	if skipped > 0 {
		t.notef("%d of %d merges repeat others or are not of two tokens that make a third, such as %s: they are left out",
			skipped, len(v.Merges), show.Quoted(example))
	}
	return nil
}

// addMerge takes in a merge, and reports whether it is one. text is scratch.
func (t *Tokenizer) addMerge(text *strings.Builder, merge string, rank uint32) bool {
	left, right, ok := strings.Cut(merge, " ")
	if !ok || left == "" || right == "" || !spelled(left) || !spelled(right) {
		return false
	}
	// The bytes of the two tokens adjoin, and so make the third.
	start := text.Len()
	unspell(text, left)
	mid := text.Len()
	unspell(text, right)
	var ids [3]uint32
	for i, s := range [3]string{text.String()[start:mid], text.String()[mid:], text.String()[start:]} {
		if ids[i] = t.tokens.find(s); ids[i] == noID {
			return false
		}
	}
	if _, ok := t.merges.insert(ids[0], ids[1], rank); !ok {
		return false
	}
	t.merges.result[rank] = ids[2]
	return true
}

// addRoles checks the ids of special tokens and gathers those that end a
// generation.
func (t *Tokenizer) addRoles(v Vocab) error {
	for _, r := range []struct {
		part vocabPart
		name string
		id   int32
	}{
		{partBOS, "BOS", v.BOS},
		{partEOS, "EOS", v.EOS},
		{partEOT, "EOT", v.EOT},
		{partPad, "padding", v.Pad},
	} {
		if r.id != None && (r.id < 0 || int(r.id) >= len(v.Tokens)) {
			return faultf(r.part, "the id of the %s token is %d, expected one from 0 to %d", r.name, r.id, len(v.Tokens)-1)
		}
	}
	t.bos, t.eos, t.pad, t.addBOS = v.BOS, v.EOS, v.Pad, v.AddBOS
	for _, id := range []int32{v.EOS, v.EOT} {
		if id != None {
			t.eog = append(t.eog, id)
		}
	}
	for _, text := range []string{"<|im_end|>", "<|endoftext|>"} {
		if id, ok := t.Special(text); ok && t.IsControl(id) {
			t.eog = append(t.eog, id)
		}
	}
	return nil
}
