package jinja

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// simpleEscapes are what a backslash makes of one character.
var simpleEscapes = map[byte]string{
	'\n': "", '\\': "\\", '\'': "'", '"': "\"", 'a': "\a", 'b': "\b", 'f': "\f", 'n': "\n", 'r': "\r", 't': "\t", 'v': "\v",
}

// hexDigits are how many digits follow an escape of a character's number.
var hexDigits = map[byte]int{'x': 2, 'u': 4, 'U': 8}

// unescaped returns what the inner part of a string literal stands for, as in
// Python: a backslash before anything else stays.
func unescaped(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		c := after[0]
		if plain, ok := simpleEscapes[c]; ok {
			b.WriteString(plain)
			s = after[1:]
			continue
		}
		digits, base := hexDigits[c], 16
		if c == 'N' {
			failf(`the escape \N in a string is not supported: write the character itself`)
		}
		s = after[1:]
		if c >= '0' && c <= '7' {
			base, s = 8, after
			for digits < min(3, len(s)) && s[digits] >= '0' && s[digits] <= '7' {
				digits++
			}
		}
		if digits == 0 {
			b.WriteByte('\\')
			s = after
			continue
		}
		if len(s) < digits {
			failf("a string ends within the escape \\%c", c)
		}
		code, err := strconv.ParseUint(s[:digits], base, 32)
		if err != nil || code > utf8.MaxRune {
			failf("the escape \\%c%s in a string is no character", c, s[:digits])
		}
		b.WriteRune(rune(code))
		s = s[digits:]
	}
}
