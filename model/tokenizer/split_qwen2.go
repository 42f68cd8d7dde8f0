package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// qwen2Split has the names under which llama.cpp (src/llama-vocab.cpp) has the
// expression of Qwen2.
var qwen2Split = preTokenizer{
	names:     []string{"qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open"},
	normalise: nfc,
	next:      nextPiece,
}

// The scanner in this file cuts text where this expression of Qwen2's
// tokenizer.json does, with (?i) folding as Unicode has it (so that the long
// s, ſ, counts as an s) and \s as the property White_Space:
//
//	(?i:'s|'t|'re|'ve|'m|'ll|'d)
//	|[^\r\n\p{L}\p{N}]?\p{L}+
//	|\p{N}
//	| ?[^\s\p{L}\p{N}]+[\r\n]*
//	|\s*[\r\n]+
//	|\s+(?!\S)
//	|\s+
//
// Every character begins one of the alternatives, so the pieces cover the
// text. No piece depends on what precedes it.

// class is what the expression tells characters apart by.
type class uint8

const (
	other   class = iota // punctuation, marks, symbols, controls, invalid bytes
	letter               // \p{L}
	number               // \p{N}
	space                // \s without the next
	newline              // \r and \n
)

var asciiClass = func() (t [utf8.RuneSelf]class) {
	for r := range t {
		t[r] = classOf(rune(r))
	}
	return t
}()

func classOf(r rune) class {
	switch {
	case r == '\r' || r == '\n':
		return newline
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return number
	case unicode.IsSpace(r):
		return space
	}
	return other
}

// classAt returns the class and the length in bytes of the character at s[i:].
// A byte that is not UTF-8 is a character of its own, of class other.
func classAt(s string, i int) (class, int) {
	if c := s[i]; c < utf8.RuneSelf {
		return asciiClass[c], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// runEnd returns where the run of characters of class c that starts at s[i:]
// ends; it is i if the run is empty.
func runEnd(s string, i int, c class) int {
	for i < len(s) {
		k, n := classAt(s, i)
		if k != c {
			break
		}
		i += n
	}
	return i
}

// nextPiece returns the length of the first piece of s, which is not empty.
func nextPiece(s string) int {
	c, n := classAt(s, 0)
	switch c {
	case letter:
		return runEnd(s, n, letter)
	case number:
		return n
	case newline:
		return spaceEnd(s)
	case space:
		if end := runEnd(s, n, letter); end > n {
			return end
		}
		if s[0] == ' ' {
			if end := runEnd(s, n, other); end > n {
				return runEnd(s, end, newline)
			}
		}
		return spaceEnd(s)
	}
	if end := contractionEnd(s); end > 0 {
		return end
	}
	if end := runEnd(s, n, letter); end > n {
		return end
	}
	return runEnd(s, runEnd(s, n, other), newline)
}

// contractionEnd returns the length of the English contraction that s starts
// with ('s, 't, 're, 've, 'm, 'll or 'd), or 0.
func contractionEnd(s string) int {
	if len(s) < 2 || s[0] != '\'' {
		return 0
	}
	second := byte(0)
	switch s[1] | 0x20 {
	case 's', 't', 'm', 'd':
		return 2
	case 'r', 'v':
		second = 'e'
	case 'l':
		second = 'l'
	case "ſ"[0] | 0x20:
		if len(s) > 2 && s[1:3] == "ſ" {
			return 3
		}
		return 0
	default:
		return 0
	}
	if len(s) > 2 && s[2]|0x20 == second {
		return 3
	}
	return 0
}

// spaceEnd returns the length of the piece at the start of s, a run of white
// space that no letters or punctuation claim. It reaches to the run's last
// line end; failing that it leaves the run's last character to the word that
// follows, if one does.
func spaceEnd(s string) int {
	end, last, line := 0, 0, 0
	for end < len(s) {
		c, n := classAt(s, end)
		if c != space && c != newline {
			break
		}
		last = end
		end += n
		if c == newline {
			line = end
		}
	}
	switch {
	case line > 0:
		return line
	case end == len(s) || last == 0:
		return end
	}
	return last
}
