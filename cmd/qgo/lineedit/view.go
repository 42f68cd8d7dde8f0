package lineedit

import (
	"fmt"
	"io"
	"math"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"
)

// View implements [tea.Model].
func (s *state) View() tea.View {
	if s.done {
		return tea.NewView("") // see print
	}
	rows, row, column := s.area.view(maxHeight)
	text := s.prompt + strings.Join(rows, s.indent())
	if s.notice != "" {
		text += "\n" + s.shownNotice()
	}
	v := tea.NewView(text)
	v.Cursor = tea.NewCursor(ansi.StringWidth(s.prompt)+column, row)
	return v
}

// indent begins the rows below the prompt's.
func (s *state) indent() string { return "\n" + strings.Repeat(" ", ansi.StringWidth(s.prompt)) }

// print writes the message that was typed, with a short mark for what was
// pasted, to stay on the screen.
func (s *state) print(out io.Writer) {
	rows, _, _ := s.area.view(math.MaxInt)
	for len(rows) > 1 && rows[len(rows)-1] == "" {
		rows = rows[:len(rows)-1] // a place for the cursor
	}
	fmt.Fprintln(out, s.prompt+strings.Join(rows, s.indent()))
}

// shownNotice is the notice in the rows of the terminal.
func (s *state) shownNotice() string {
	width := s.area.width + ansi.StringWidth(s.prompt)
	rows := strings.Split(ansi.Wrap(s.notice, max(width, 1), ""), "\n")
	if len(rows) > maxNotice {
		rows = append(rows[:maxNotice-1], "…")
	}
	return strings.Join(rows, "\n")
}
