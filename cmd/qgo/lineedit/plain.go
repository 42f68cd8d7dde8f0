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
	In  *bufio.Reader
	Out io.Writer
}

// Read is like [Editor.Read]. A backslash at the end of a line, and """
// around several, make a message of several lines.
func (p *Plain) Read(ctx context.Context, prompt string) (string, error) {
	var text strings.Builder
	for {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		fmt.Fprint(p.Out, prompt)
		line, err := p.In.ReadString('\n')
		if err != nil && (err != io.EOF || line == "" && text.Len() == 0) {
			return "", err
		}
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if before, ok := strings.CutSuffix(line, `\`); ok && err == nil {
			text.WriteString(before + "\n")
			continue
		}
		text.WriteString(line)
		if err == nil && OpenBlock(text.String()) {
			text.WriteByte('\n')
			continue
		}
		return Unquote(text.String()), nil
	}
}
