package lineedit

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// block begins and ends a message of several lines where there is no other
// way to type one.
const block = `"""`

// OpenBlock reports whether text begins with """ and no other """ ends it.
func OpenBlock(text string) bool {
	rest, ok := strings.CutPrefix(strings.TrimLeft(text, " "), block)
	return ok && !strings.Contains(rest, block)
}

// Unquote takes the """ around a message away.
func Unquote(text string) string {
	trimmed := strings.TrimSpace(text)
	if rest, ok := strings.CutPrefix(trimmed, block); ok {
		if inner, ok := strings.CutSuffix(rest, block); ok {
			return strings.Trim(inner, "\n")
		}
	}
	return text
}

// Plain reads lines from what is no terminal, or one that can do nothing.
type Plain struct {
	out   io.Writer
	lines chan line
}

type line struct {
	text string
	err  error
}

// NewPlain returns a reader of in that writes prompts to out.
func NewPlain(in io.Reader, out io.Writer) *Plain {
	p := &Plain{out: out, lines: make(chan line)}
	go func() { // so that a context can end while a read waits
		r := bufio.NewReader(in)
		for {
			text, err := r.ReadString('\n')
			if text != "" {
				p.lines <- line{text: text}
			}
			for err != nil {
				p.lines <- line{err: err}
			}
		}
	}()
	return p
}

// Read is like [Editor.Read]. A backslash at the end of a line, and """
// around several, make a message of several lines.
func (p *Plain) Read(ctx context.Context, prompt string) (string, error) {
	var text strings.Builder
	for {
		if text.Len() > 0 {
			prompt = "... "
		}
		fmt.Fprint(p.out, prompt)
		var l line
		select {
		case l = <-p.lines:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		switch {
		case l.err != nil && text.Len() == 0:
			fmt.Fprintln(p.out)
			return "", l.err
		case l.err != nil:
			return Unquote(text.String()), nil
		}
		l.text = strings.TrimSuffix(strings.TrimSuffix(l.text, "\n"), "\r")
		if before, ok := strings.CutSuffix(l.text, `\`); ok {
			text.WriteString(before + "\n")
			continue
		}
		text.WriteString(l.text)
		if OpenBlock(text.String()) {
			text.WriteByte('\n')
			continue
		}
		return Unquote(text.String()), nil
	}
}
