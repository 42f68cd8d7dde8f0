package tokenizer

import (
	"fmt"
	"slices"
	"strings"
)

// Encode appends the ids of a whole text to dst: they begin with BOS if the
// model expects that (see [Tokenizer.AddBOS]). If special is true, the texts of
// control and user-defined tokens in it become those tokens; otherwise they
// are text like any other, so that no input can forge a control token.
func (t *Tokenizer) Encode(dst []int32, text string, special bool) []int32 {
	var trusted []span
	if special {
		trusted = []span{{0, len(text)}}
	}
	return t.encode(dst, text, trusted)
}

// Part is a stretch of a prompt. Special says that its text is the program's
// own (a chat template's, say) and may name special tokens; text from outside
// may not.
type Part struct {
	Text    string
	Special bool
}

// EncodeParts appends the ids of the parts' joined text to dst, a whole
// text as for Encode. Special tokens are recognised where they lie wholly within
// parts that are Special; all else is encoded as if the parts were one text, so
// that where one ends makes no difference to words across it.
func (t *Tokenizer) EncodeParts(dst []int32, parts []Part) []int32 {
	var text strings.Builder
	var trusted []span
	for _, p := range parts {
		start := text.Len()
		text.WriteString(p.Text)
		if !p.Special {
			continue
		}
		if n := len(trusted); n > 0 && trusted[n-1].end == start {
			trusted[n-1].end = text.Len()
		} else {
			trusted = append(trusted, span{start, text.Len()})
		}
	}
	return t.encode(dst, text.String(), trusted)
}

// maxWord is the length in bytes of the longest word that CheckWords passes.
const maxWord = 1 << 19

// CheckWords returns an error if text has a word that is so long that encoding
// it would take much more memory than the text does: the bytes of a word are
// all merged with each other. Words are those of the composed text, as for
// [Tokenizer.Encode].
func (t *Tokenizer) CheckWords(text string) error {
	if len(text) <= maxWord/3 { // normalised it is not more than three times as long
		return nil
	}
	text = t.split.normalise(text)
	for at := 0; at < len(text); {
		n := t.split.next(text[at:])
		if n > maxWord {
			return fmt.Errorf("the text has a word of %d bytes, which no model can make sense of: at most %d are encoded", n, maxWord)
		}
		at += n
	}
	return nil
}

// MinTokens returns how many tokens a text of n bytes has at least. Encoding
// composes its characters, which leaves no less than a third of the bytes
// (the Unicode FAQ on normalization gives the expansion
// of the opposite way in UTF-8 as 3 at most).
func (t *Tokenizer) MinTokens(n int) int { return n / (3 * max(t.maxBytes, 1)) }

// span is a range of bytes of a text.
type span struct{ start, end int }

// encode recognises special tokens within the trusted spans, which are in
// order and apart. It puts BOS before the text if the model expects it, unless
// the text begins with it.
func (t *Tokenizer) encode(dst []int32, text string, trusted []span) []int32 {
	defer workspace.Store(nil)
	// Room for the most ids that there can be: what stays unused takes no
	// memory (slices.Grow would write to it), while ids that grow leave several
	// copies of themselves behind.
	if most := len(dst) + len(text) + 1; cap(dst) < most {
		dst = append(make([]int32, 0, most), dst...)
	}
	if !t.AddBOS() {
		return t.encodeSpans(dst, text, trusted)
	}
	start := len(dst)
	dst = t.encodeSpans(append(dst, t.bos), text, trusted)
	if len(dst) > start+1 && dst[start+1] == t.bos {
		dst = slices.Delete(dst, start, start+1)
	}
	return dst
}

func (t *Tokenizer) encodeSpans(dst []int32, text string, trusted []span) []int32 {
	done := 0
	for _, s := range trusted {
		for at := s.start; at < s.end; {
			sp, i, ok := t.special.find(text[at:s.end])
			if !ok {
				break
			}
			dst = t.encodeText(dst, text[done:at+i])
			dst = append(dst, int32(sp.id))
			at += i + len(sp.text)
			done = at
		}
	}
	return t.encodeText(dst, text[done:])
}

// encodeText encodes text without special tokens.
func (t *Tokenizer) encodeText(dst []int32, text string) []int32 {
	for text = t.split.normalise(text); text != ""; {
		n := t.split.next(text)
		dst = t.encodePiece(dst, text[:n])
		text = text[n:]
	}
	return dst
}
