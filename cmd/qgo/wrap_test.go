package main

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestWordWrap(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"fits", "twenty columns, full", "twenty columns, full"},
		{"words", "one two three four five six seven", "one two three four\nfive six seven"},
		{"lines", "one\n\ntwo three\n", "one\n\ntwo three\n"},
		{"space at a break", "seventeen columns   and more", "seventeen columns\nand more"},
		{"space at the end", "one two  ", "one two"},
		{"options", "it is given with --no-repack", "it is given with\n--no-repack"},
		{"a long word", "see https://example.org/a?b=cdefghijklmnop for it", "see\nhttps://example.org/a?b=cdefghijklmnop\nfor it"},
		{"a longer word", "so 0123456789012345678901234 is", "so\n0123456789012345678901234 is"},
		{"wide", "日本語の文章を書いて改行する。はい", "日本語の文章を書いて\n改行する。はい"},
		{"wide, no point at a line's start", "日本語の文章を書いて。", "日本語の文章を書い\nて。"},
		{"families", "aaaaaaaaaaaaaaaaa b👨‍👩‍👧 c", "aaaaaaaaaaaaaaaaa b\n👨‍👩‍👧 c"},
		{"combined", "aaaaaaaaaaaaaaa e\u0301e\u0301e\u0301e\u0301 b", "aaaaaaaaaaaaaaa e\u0301e\u0301e\u0301e\u0301\nb"},
		{"tabs", "one\ttwo\tthree four", "one\ttwo\nthree four"},
		{"indented", "  this line stays just as it is\nthis one is broken in two", "  this line stays just as it is\nthis one is broken\nin two"},
		{"code", "```go\nfunc a(b int) (c string, err error)\n```\nand text that is broken", "```go\nfunc a(b int) (c string, err error)\n```\nand text that is\nbroken"},
		{"code in tildes", "~~~~\n~~~ is no end of this block of code\n~~~~\nand text that is broken", "~~~~\n~~~ is no end of this block of code\n~~~~\nand text that is\nbroken"},
		{"code in a line", "```a``` is no block\nand text that is broken", "```a``` is no block\nand text that is\nbroken"},
	} {
		for _, size := range []int{1, 2, 3, 7, len(c.text)} {
			var b strings.Builder
			w := &wordWrap{out: &b, width: func() int { return 20 }}
			for rest := c.text; rest != ""; {
				n := min(size, len(rest))
				for !utf8.ValidString(rest[:n]) {
					n++
				}
				if _, err := w.Write([]byte(rest[:n])); err != nil {
					t.Fatal(err)
				}
				rest = rest[n:]
			}
			if err := w.end(); err != nil {
				t.Fatal(err)
			}
			if b.String() != c.want {
				t.Errorf("%s, %d at a time: %q, want %q", c.name, size, b.String(), c.want)
			}
		}
	}
}

// TestWordWrapHolds looks at what is written after each piece.
func TestWordWrapHolds(t *testing.T) {
	var b strings.Builder
	width := 20
	w := &wordWrap{out: &b, width: func() int { return width }}
	for _, c := range []struct{ piece, want string }{
		{"One", ""},
		{" two", "One"},
		{" three ", "One two three"},
		{"fo", "One two three"},
		{"ur, ", "One two three four,"},
		{"five\n", "One two three four,\nfive\n"},
		{"  a b", "One two three four,\nfive\n  a b"},
	} {
		if _, err := w.Write([]byte(c.piece)); err != nil {
			t.Fatal(err)
		}
		if b.String() != c.want {
			t.Fatalf("after %q: %q, want %q", c.piece, b.String(), c.want)
		}
	}
	// A terminal that was made narrower.
	width = 10
	b.Reset()
	w.Write([]byte("\nsome words more"))
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	if want := "\nsome words\nmore"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

// TestWordWrapProse breaks indented lines, too.
func TestWordWrapProse(t *testing.T) {
	w := &wordWrap{width: func() int { return 20 }, prose: true, held: "  /help      list the commands\n```\nlines that are no code"}
	if got, want := w.take(true), "  /help      list\nthe commands\n```\nlines that are no\ncode"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestWordWrapIsLinear breaks long paragraphs and words, in one piece and in
// many. When the time grew with the square, each took minutes.
func TestWordWrapIsLinear(t *testing.T) {
	size := 1 << 20
	if testing.Short() {
		size = 1 << 16
	}
	for name, unit := range map[string]string{
		"words": "some words of five letters ", "a word": "x", "symbols": "a-b/c,", "wide": "日本語", "no width": "\u0301", "spaces": "a \t ", "only spaces": "a" + strings.Repeat(" ", size/2), "code": "    ",
	} {
		text := strings.Repeat(unit, size/len(unit))
		for _, piece := range []int{len(text), 300} {
			begin := time.Now()
			var b strings.Builder
			w := &wordWrap{out: &b, width: func() int { return 80 }}
			for rest := text; rest != ""; {
				n := min(piece, len(rest))
				w.Write([]byte(rest[:n]))
				rest = rest[n:]
			}
			w.end()
			took := time.Since(begin)
			t.Logf("%s, %d at a time: %v", name, piece, took)
			if took > 20*time.Second {
				t.Errorf("%s, %d at a time: %v", name, piece, took)
			}
			squeezed := func(s string) string { return strings.Join(strings.Fields(s), "") }
			if squeezed(b.String()) != squeezed(text) {
				t.Errorf("%s, %d at a time: the text was changed", name, piece)
			}
		}
	}
}
