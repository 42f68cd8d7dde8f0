// Package show makes text that comes from a file fit to be shown: what a file
// says may be of any length, and hold what a terminal would obey.
package show

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxShown is the number of characters of a text that are shown.
const maxShown = 64

// Text returns text with all that is not printable escaped as in a Go string
// ("\n", "\x1b", "\u202e"), so that it stays on one line and changes nothing
// on a terminal. Of a longer text it returns the first 64 characters and "…".
func Text(text string) string {
	var b strings.Builder
	n := 0
	for text != "" {
		if n++; n > maxShown {
			b.WriteString("…")
			break
		}
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 || !strconv.IsPrint(r) {
			quoted := strconv.Quote(text[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		} else {
			b.WriteString(text[:size])
		}
		text = text[size:]
	}
	return b.String()
}

// Quoted returns Text(text) in quotation marks.
func Quoted(text string) string { return `"` + Text(text) + `"` }

// Lines returns text with its lines and tabs as they are, and U+FFFD for all
// else that a terminal would obey. It is for texts that are shown as a whole,
// such as a model's answer or an error message.
func Lines(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && (unicode.IsControl(r) || isBidi(r)) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// isBidi reports whether r reorders the text around it (Unicode, UAX #9).
func isBidi(r rune) bool { return r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' }
