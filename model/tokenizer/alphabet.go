package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// Vocabularies of byte-level BPE are written as text, so every byte needs a
// printable character. GPT-2's alphabet keeps the printable ones of Latin-1
// and gives the other 68, in order, the characters from U+0100 on: a space is
// spelled Ġ, a line feed Ċ.
const alphabetEnd = 0x100 + 68

var (
	letterOf [256]rune          // spelling of a byte
	byteOf   [alphabetEnd]int16 // byte of a spelling, -1 for none
)

func init() {
	for r := range byteOf {
		byteOf[r] = -1
	}
	next := rune(0x100)
	for b := range 256 {
		r := rune(b)
		if r <= ' ' || r >= 0x7f && r <= 0xa0 || r == 0xad {
			r = next
			next++
		}
		letterOf[b] = r
		byteOf[r] = int16(b)
	}
}

// Spell writes the bytes of text in GPT-2's alphabet, as byte-level
// vocabularies spell their tokens and merges: Spell(" a\n") is "ĠaĊ".
func Spell(text string) string {
	var b strings.Builder
	b.Grow(2 * len(text))
	for i := range len(text) {
		b.WriteRune(letterOf[text[i]])
	}
	return b.String()
}

// spelled reports whether text is written in the alphabet of Spell.
func spelled(text string) bool {
	for _, r := range text {
		if r >= alphabetEnd || byteOf[r] < 0 {
			return false
		}
	}
	return true
}

// unspell appends to b the bytes that text spells; spelled(text) must hold.
func unspell(b *strings.Builder, text string) {
	for i := 0; i < len(text); {
		if c := text[i]; c < utf8.RuneSelf {
			b.WriteByte(byte(byteOf[c]))
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		b.WriteByte(byte(byteOf[r]))
		i += n
	}
}
