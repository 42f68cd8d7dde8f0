package main

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// wordWrap breaks a text that comes in pieces between words, so that no line
// is longer than a terminal is wide. It holds back no more than the word that
// may go on. Unless the text is prose, lines that begin with white space or
// stand between fences of code (``` or ~~~) stay as they are. Where a line may
// break is said by Unicode Standard Annex #14; only its breaks at white space
// and beside wide characters are taken, so that options such as --model and
// addresses stay whole. The time grows with the text's length, whatever is in
// it and however it comes.
type wordWrap struct {
	out    io.Writer
	width  func() int // of the terminal in columns; it may change at any time
	prose  bool       // there is no code in the text
	column int        // of the terminal's line, where the cursor is
	gap    []byte     // white space before held, which a break takes away
	held   string     // what came and is not written
	line   []byte     // the text's line so far, without held
	fence  string     // the marker of the block of code around the line
	long   bool       // within a word that is wider than the terminal
}

// wrapped breaks the program's own text for a terminal, and no other.
func wrapped(stream any, text string) string {
	if !isTerminal(stream) {
		return text
	}
	w := &wordWrap{width: func() int { return terminalWidth(stream) }, prose: true, held: text}
	return w.take(true)
}

// newWordWrap returns a writer of a model's text to a terminal.
func newWordWrap(out io.Writer) *wordWrap {
	return &wordWrap{out: out, width: func() int { return terminalWidth(out) }}
}

// Write writes all but the last word of what came.
func (w *wordWrap) Write(text []byte) (int, error) {
	w.held += string(text)
	if _, err := io.WriteString(w.out, w.take(false)); err != nil {
		return 0, err
	}
	return len(text), nil
}

// flush writes the last word, too.
func (w *wordWrap) flush() error {
	_, err := io.WriteString(w.out, w.take(true))
	return err
}

// end is flush at the end of a text.
func (w *wordWrap) end() error {
	err := w.flush()
	*w = wordWrap{out: w.out, width: w.width, prose: w.prose}
	return err
}

// maxHeld is the number of bytes that are held back at most: a word can go on
// for ever without becoming wide.
const maxHeld = 1 << 12

// take returns what can be written of the text that is held.
func (w *wordWrap) take(all bool) string {
	var b strings.Builder
	width := w.width()
	for w.held != "" {
		if rest, ok := strings.CutPrefix(w.held, "\n"); ok {
			b.WriteByte('\n')
			w.fence = fenceAfter(w.fence, string(w.line))
			w.column, w.gap, w.held, w.line, w.long = 0, w.gap[:0], rest, w.line[:0], false
			continue
		}
		if !w.prose && (w.fence != "" || w.indented()) {
			text, _, _ := strings.Cut(w.held, "\n")
			b.WriteString(text)
			w.line = append(w.line, text...)
			w.held = w.held[len(text):]
			continue
		}
		word, gap, done := firstWord(w.held)
		wide := ansi.StringWidth(word)
		if !done && !all && !w.long && wide <= width && len(w.held) <= maxHeld {
			break
		}
		w.put(&b, word, wide, width)
		w.long = !done && wide > 0
		w.gap = append(w.gap, gap...)
		w.line = append(w.line, w.held[:len(word)+len(gap)]...)
		w.held = w.held[len(word)+len(gap):]
	}
	return b.String()
}

// indented reports whether the line begins with white space.
func (w *wordWrap) indented() bool {
	first := w.held[0]
	if len(w.line) > 0 {
		first = w.line[0]
	}
	return first == ' ' || first == '\t'
}

// put writes a word that is wide columns wide, on a new line if it has no room
// on this one.
func (w *wordWrap) put(b *strings.Builder, word string, wide, width int) {
	if wide == 0 && len(w.gap) == 0 {
		b.WriteString(word)
		return
	}
	if word == "" {
		return
	}
	start := w.column
	for _, c := range w.gap {
		if c == '\t' {
			start |= 7
		}
		start++
	}
	switch {
	case w.long: // the terminal breaks it
		start = w.column
	case start+wide > width && w.column > 0:
		b.WriteByte('\n')
		start = 0
	default:
		b.Write(w.gap)
	}
	b.WriteString(word)
	w.gap = w.gap[:0]
	if w.column = start + wide; w.column > width {
		w.column = (w.column-1)%width + 1
	}
}

// firstWord returns what a text begins with up to where a line may break, and
// the white space behind it. Neither has a line's end in it. done says that the
// word cannot go on.
func firstWord(text string) (word, gap string, done bool) {
	state, end := -1, 0
	for end < len(text) {
		if n := lettersBefore(text[end:]); n > 0 {
			end += n
			state = -1 // a letter or digit decides alone whether a line may break behind it
		}
		cluster, rest, boundaries, next := uniseg.StepString(text[end:], state)
		if strings.HasPrefix(cluster, "\n") {
			done = true
			break
		}
		state = next
		end += len(cluster)
		if boundaries&uniseg.MaskLine != uniseg.LineCanBreak {
			continue
		}
		if strings.TrimRight(cluster, " \t") == "" || ansi.StringWidth(cluster) > 1 || startsWide(rest, state) {
			done = true
			break
		}
	}
	word = strings.TrimRight(text[:end], " \t")
	gap = text[len(word):end]
	return word, gap, done || gap != ""
}

// startsWide reports whether text, which follows what made the state, begins
// with a character of two columns.
func startsWide(text string, state int) bool {
	first, _, _, _ := uniseg.StepString(text, state)
	return ansi.StringWidth(first) > 1
}

// lettersBefore returns how many letters and digits of ASCII text begins with,
// but for the last, which what follows may change. No line breaks between them,
// and to see that at once is many times faster.
func lettersBefore(text string) int {
	n := 0
	for n < len(text) && isAlphanumeric(text[n]) {
		n++
	}
	return max(n-1, 0)
}

func isAlphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// fenceAfter returns the marker of the block of code that a line leaves open,
// if the one before it was in a block with that marker ("": in none), as
// CommonMark has it.
func fenceAfter(fence, line string) string {
	line = strings.TrimSpace(line)
	if fence != "" {
		if len(line) >= len(fence) && strings.Trim(line, fence[:1]) == "" {
			return ""
		}
		return fence
	}
	for _, mark := range []string{"`", "~"} {
		info := strings.TrimLeft(line, mark)
		if n := len(line) - len(info); n >= 3 && (mark == "~" || !strings.Contains(info, mark)) {
			return line[:n]
		}
	}
	return ""
}
