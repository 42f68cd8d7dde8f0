package main

import (
	"io"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// wordWrap breaks a text that comes in pieces between words, so that no line
// is longer than a terminal is wide. It holds back no more than the word that
// may go on. Unless the text is prose, lines that begin with white space or stand between fences of code
// (``` or ~~~) stay as they are. Where a line may break is said by Unicode
// Standard Annex #14; only its breaks at white space and beside wide characters
// are taken, so that options such as --model and addresses stay whole.
type wordWrap struct {
	out    io.Writer
	width  func() int // of the terminal in columns; it may change at any time
	prose  bool       // there is no code in the text
	column int        // of the terminal's line, where the cursor is
	gap    string     // white space before held, which a break takes away
	held   string     // what came and is not written
	line   string     // the text's line so far, without held
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

// take returns what can be written of the text that is held.
func (w *wordWrap) take(all bool) string {
	var b strings.Builder
	for w.held != "" {
		if rest, ok := strings.CutPrefix(w.held, "\n"); ok {
			b.WriteByte('\n')
			w.fence = fenceAfter(w.fence, w.line)
			w.column, w.gap, w.held, w.line, w.long = 0, "", rest, "", false
			continue
		}
		if !w.prose && (w.fence != "" || strings.HasPrefix(w.line+w.held, " ") || strings.HasPrefix(w.line+w.held, "\t")) {
			text, _, _ := strings.Cut(w.held, "\n")
			b.WriteString(text)
			w.line += text
			w.held = w.held[len(text):]
			continue
		}
		word, gap, done := firstWord(w.held)
		wide := ansi.StringWidth(word)
		if !done && !all && !w.long && wide <= w.width() {
			break
		}
		w.put(&b, word, wide)
		w.long = !done && wide > 0
		w.gap += gap
		w.line += word + gap
		w.held = w.held[len(word)+len(gap):]
	}
	return b.String()
}

// put writes a word of that width, on a new line if it has no room on this one.
func (w *wordWrap) put(b *strings.Builder, word string, wide int) {
	if wide == 0 && w.gap == "" {
		b.WriteString(word)
		return
	}
	if word == "" {
		return
	}
	width, start := w.width(), w.column
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
		b.WriteString(w.gap)
	}
	b.WriteString(word)
	w.gap = ""
	if w.column = start + wide; w.column > width {
		w.column = (w.column-1)%width + 1
	}
}

// firstWord returns what a text begins with up to where a line may break, and
// the white space behind it. Neither has a line's end in it. done says that the
// word cannot go on.
func firstWord(text string) (word, gap string, done bool) {
	state := -1
	for rest := text; rest != ""; {
		var cluster string
		var boundaries int
		cluster, rest, boundaries, state = uniseg.StepString(rest, state)
		if strings.HasPrefix(cluster, "\n") {
			done = true
			break
		}
		word += cluster
		if boundaries&uniseg.MaskLine != uniseg.LineCanBreak {
			continue
		}
		next, _, _, _ := uniseg.StepString(rest, state)
		if strings.TrimRight(cluster, " \t") == "" || ansi.StringWidth(cluster) > 1 || ansi.StringWidth(next) > 1 {
			done = true
			break
		}
	}
	trimmed := strings.TrimRight(word, " \t")
	gap = word[len(trimmed):]
	return trimmed, gap, done || gap != ""
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
