package tokenizer

import (
	"cmp"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// nfc returns s in Unicode normalisation form C (UAX #15). Bytes that are not
// UTF-8 stay as they are.
//
// Package norm produces the stream-safe variant, which inserts U+034F into
// runs of more than 30 combining marks; the tokenizers that models were
// trained with do not. Text with long runs takes a way of its own.
func nfc(s string) string {
	switch {
	case norm.NFC.IsNormalString(s):
		return s
	case hasLongRun(s):
		return composeText(s)
	}
	return norm.NFC.String(s)
}

// maxRun is a number of characters that, following a starter, cannot decompose
// to more than the 30 marks of package norm: none decomposes to more than 3.
const maxRun = 8

// hasLongRun reports whether more than maxRun characters in a row may combine
// with the one before them.
func hasLongRun(s string) bool {
	run := 0
	for i, r := range s {
		switch {
		case r < utf8.RuneSelf || norm.NFC.PropertiesString(s[i:]).BoundaryBefore():
			run = 0
		case run == maxRun:
			return true
		default:
			run++
		}
	}
	return false
}

// mark is a character of canonically decomposed text.
type mark struct {
	r   rune
	ccc uint8 // canonical combining class
}

// composeText is normalisation form C without a limit to the length of runs.
func composeText(s string) string {
	out := make([]byte, 0, len(s))
	var segment []mark // characters since the last boundary
	flush := func() {
		for _, m := range compose(segment) {
			out = utf8.AppendRune(out, m.r)
		}
		segment = segment[:0]
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			flush()
			out = append(out, s[i])
			i++
			continue
		}
		p := norm.NFC.PropertiesString(s[i:])
		if p.BoundaryBefore() {
			flush()
		}
		if d := p.Decomposition(); d == nil {
			segment = append(segment, mark{r, p.CCC()})
		} else {
			for len(d) > 0 {
				r, n := utf8.DecodeRune(d)
				segment = append(segment, mark{r, norm.NFC.Properties(d).CCC()})
				d = d[n:]
			}
		}
		i += n
	}
	flush()
	return string(out)
}

// compose puts the marks of a segment into canonical order and composes them
// (UAX #15, D117), in place.
func compose(segment []mark) []mark {
	for i := 0; i < len(segment); {
		if segment[i].ccc == 0 {
			i++
			continue
		}
		end := i
		for end < len(segment) && segment[end].ccc != 0 {
			end++
		}
		slices.SortStableFunc(segment[i:end], func(a, b mark) int { return cmp.Compare(a.ccc, b.ccc) })
		i = end
	}
	out := segment[:0]
	starter, last := -1, uint8(0) // last: class of the character before, 0 right after the starter
	for _, m := range segment {
		if starter >= 0 && (last == 0 || last < m.ccc) {
			if r, ok := composePair(out[starter].r, m.r); ok {
				out[starter].r = r
				continue
			}
		}
		if last = m.ccc; last == 0 {
			starter = len(out)
		}
		out = append(out, m)
	}
	return out
}

// composePair returns the primary composite of a and b, if they have one.
func composePair(a, b rune) (rune, bool) {
	s := norm.NFC.String(string([]rune{a, b}))
	r, n := utf8.DecodeRuneInString(s)
	return r, n == len(s)
}
