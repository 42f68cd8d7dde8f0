package tokenizer

import (
	"fmt"
	"slices"
	"sync/atomic"
)

// None stands for the id of a special token that a vocabulary lacks.
const None int32 = -1

// Tokenizer encodes and decodes text by one vocabulary. Make one with [New] or
// [FromGGUF].
type Tokenizer struct {
	tokens  tokenTable
	merges  mergeTable
	bytes   [256]uint32 // the token of each byte
	longest int         // length in bytes of the longest token that find finds
	whole   wholeSet
	split   preTokenizer

	special       specialSet
	control       map[int32]bool
	bos, eos, pad int32
	addBOS        bool
	maxBytes      int // bytes that a token stands for at most
	eog           []int32
	notes         []string
}

// Notes says in sentences what is odd about the vocabulary, and what was made
// of it.
func (t *Tokenizer) Notes() []string { return slices.Clone(t.notes) }

func (t *Tokenizer) notef(format string, args ...any) {
	t.notes = append(t.notes, fmt.Sprintf(format, args...))
}

// VocabSize returns the number of tokens; ids run from 0 to VocabSize()-1.
func (t *Tokenizer) VocabSize() int { return len(t.tokens.offset) - 1 }

// TokenText returns the bytes of a token, which need not be valid UTF-8 on
// their own, or U+FFFD for an id outside the vocabulary.
func (t *Tokenizer) TokenText(id int32) string {
	if id < 0 || int(id) >= t.VocabSize() {
		return "\uFFFD"
	}
	return t.tokens.bytes(uint32(id))
}

// Special returns the id of the control or user-defined token with this text.
func (t *Tokenizer) Special(text string) (id int32, ok bool) {
	s, ok := t.special.match(text)
	return int32(s.id), ok && s.text == text
}

// IsControl reports whether id is a control token, such as <|im_end|>, which
// is no part of the text proper.
func (t *Tokenizer) IsControl(id int32) bool { return t.control[id] }

// IsEOG reports whether id ends a generation: the vocabulary's EOS or EOT, or
// a control token <|im_end|> or <|endoftext|>.
func (t *Tokenizer) IsEOG(id int32) bool { return slices.Contains(t.eog, id) }

// BOS returns the id of the token that begins a text, or [None].
func (t *Tokenizer) BOS() int32 { return t.bos }

// BOSText returns the text of that token, "" if there is none.
func (t *Tokenizer) BOSText() string { return t.roleText(t.bos) }

// AddBOS reports whether the model expects BOS before every text, so that the
// Encode methods add it. Qwen2.5 does not.
func (t *Tokenizer) AddBOS() bool { return t.addBOS && t.bos != None }

// EOS returns the id of the token that ends a text, or [None].
func (t *Tokenizer) EOS() int32 { return t.eos }

// EOSText returns the text of that token, "" if there is none.
func (t *Tokenizer) EOSText() string { return t.roleText(t.eos) }

func (t *Tokenizer) roleText(id int32) string {
	if id == None {
		return ""
	}
	return t.TokenText(id)
}

// Pad returns the id of the token that fills unused places, or [None].
func (t *Tokenizer) Pad() int32 { return t.pad }

// wholeSet remembers which tokens the merges make of exactly their own bytes.
// Nearly all are such, and a piece of text that is one needs no merging; but
// a vocabulary may hold tokens that merging never reaches, so that each is
// tried once, when first met. It has two bits for each token: known, and yes.
type wholeSet []atomic.Uint32

func newWholeSet(n int) wholeSet { return make(wholeSet, (n+15)/16) }

func (w wholeSet) get(id uint32) (yes, known bool) {
	bits := w[id/16].Load() >> (id % 16 * 2)
	return bits&2 != 0, bits&1 != 0
}

func (w wholeSet) set(id uint32, yes bool) {
	bits := uint32(1)
	if yes {
		bits = 3
	}
	w[id/16].Or(bits << (id % 16 * 2))
}

// Specials returns the texts of the control and user-defined tokens.
func (t *Tokenizer) Specials() []string { return t.special.texts() }
