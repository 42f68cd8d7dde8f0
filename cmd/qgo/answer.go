package main

import (
	"context"
	"io"
	"unicode/utf8"

	"qgo/gguf/show"
)

// answer writes a model's text as it comes. On a terminal it breaks lines
// between words, takes out what the terminal would obey, and shows reasoning
// dimmed.
type answer struct {
	ctx   context.Context
	out   io.Writer
	wrap  *wordWrap // nil: out is no terminal, and gets the text as it is
	dims  bool      // the terminal can dim
	undim func()    // while it does
}

func (c *conversation) newAnswer() *answer {
	a := &answer{ctx: c.cmd.Context(), out: c.out, dims: canOverwrite(c.out)}
	if c.tty {
		a.wrap = newWordWrap(c.out)
	}
	return a
}

// Codes of ECMA-48 (SGR) for faint text and for that of normal intensity.
const (
	faint  = "\x1b[2m"
	normal = "\x1b[22m"
)

func (a *answer) write(text string, reasoning bool) error {
	if a.wrap == nil {
		_, err := io.WriteString(a.out, text)
		return err
	}
	if err := a.dim(reasoning); err != nil {
		return err
	}
	for text != "" {
		if err := a.ctx.Err(); err != nil {
			return err
		}
		n := pieceOf(text)
		if _, err := io.WriteString(a.wrap, show.Lines(text[:n])); err != nil {
			return err
		}
		text = text[n:]
	}
	return nil
}

// pieceOf returns how many bytes of a text to write before the next look whether
// to go on. No character is cut in two.
func pieceOf(text string) int {
	n := min(len(text), 1<<12)
	for end := n; end > n-utf8.UTFMax && end > 0; end-- {
		if end == len(text) || utf8.RuneStart(text[end]) {
			return end
		}
	}
	return n
}

// dim begins or ends dimming.
func (a *answer) dim(on bool) error {
	if !a.dims || on == (a.undim != nil) {
		return nil
	}
	if err := a.wrap.flush(); err != nil {
		return err
	}
	if !on {
		a.undim()
		a.undim = nil
		return nil
	}
	_, err := io.WriteString(a.out, faint)
	a.undim = atExit(a.ctx, func() { io.WriteString(a.out, normal) })
	return err
}

// end writes what is held back.
func (a *answer) end() error {
	if a.wrap == nil {
		return nil
	}
	if err := a.dim(false); err != nil {
		return err
	}
	return a.wrap.end()
}
