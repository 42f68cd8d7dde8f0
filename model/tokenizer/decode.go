package tokenizer

import (
	"strings"
	"unicode/utf8"
)

// AppendBytes appends the bytes that ids stand for to dst. They are exactly
// those encoded, after normalisation; they need not be valid UTF-8.
func (t *Tokenizer) AppendBytes(dst []byte, ids []int32) []byte {
	for _, id := range ids {
		dst = append(dst, t.TokenText(id)...)
	}
	return dst
}

// Decode returns the text of ids, special tokens included. What is not valid
// UTF-8 becomes U+FFFD, one for each maximal part of a sequence (The Unicode
// Standard, 3.9, "U+FFFD Substitution of Maximal Subparts").
func (t *Tokenizer) Decode(ids []int32) string {
	var b strings.Builder
	d := t.NewDecoder()
	for _, id := range ids {
		b.WriteString(d.Next(id))
	}
	b.WriteString(d.Flush())
	return b.String()
}

// Decoder decodes a stream of ids. The texts it returns are valid UTF-8 and
// together equal what [Tokenizer.Decode] returns for all the ids.
type Decoder struct {
	// SkipControl leaves control tokens out of the text.
	SkipControl bool

	t       *Tokenizer
	pending []byte // the start of a UTF-8 sequence, at most 3 bytes
}

// NewDecoder returns a Decoder for one stream. It is not safe for concurrent
// use.
func (t *Tokenizer) NewDecoder() *Decoder { return &Decoder{t: t} }

// Next takes the next id and returns the text that is complete with it. It
// may be empty: a character's bytes can come in several tokens.
func (d *Decoder) Next(id int32) string {
	if d.SkipControl && d.t.IsControl(id) {
		return ""
	}
	text := d.t.TokenText(id)
	if len(d.pending) == 0 && utf8.ValidString(text) {
		return text
	}
	src := append(d.pending, text...)
	out, n := appendValid(nil, src)
	d.pending = append(d.pending[:0], src[n:]...)
	return string(out)
}

// Flush ends the stream: it returns U+FFFD if a character is incomplete. The
// Decoder is then ready for another stream.
func (d *Decoder) Flush() string {
	if len(d.pending) == 0 {
		return ""
	}
	d.pending = d.pending[:0]
	return "\uFFFD"
}

// appendValid appends the text of src to dst, with U+FFFD for what is not
// UTF-8, up to a sequence at the end that more bytes could complete. It
// returns how many bytes of src it has taken.
func appendValid(dst, src []byte) ([]byte, int) {
	for i := 0; i < len(src); {
		r, n := utf8.DecodeRune(src[i:])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(src[i:]) {
				return dst, i
			}
			// One U+FFFD for as many bytes as began a sequence.
			for i+n < len(src) && !utf8.FullRune(src[i:i+n+1]) {
				n++
			}
		}
		dst = utf8.AppendRune(dst, r)
		i += n
	}
	return dst, len(src)
}
