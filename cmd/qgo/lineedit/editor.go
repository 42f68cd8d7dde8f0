// Package lineedit reads messages of one or more lines from a terminal, with
// a history, and from streams that are none.
package lineedit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// ErrInterrupt says that Ctrl-C was pressed with nothing typed.
var ErrInterrupt = errors.New("interrupted")

// Editor reads from a terminal.
type Editor struct {
	in, out  *os.File
	history  *History
	complete func(text string) []string
	pending  []tea.Msg // typed after the end of the message before
}

// NewEditor returns an editor. history may be nil. complete returns what the
// text so far could become, nil for nothing. Close it after use.
func NewEditor(in, out *os.File, history *History, complete func(text string) []string) *Editor {
	return &Editor{in: in, out: out, history: history, complete: complete}
}

// Close makes the terminal paste as it did before.
func (e *Editor) Close() { fmt.Fprint(e.out, ansi.ResetModeBracketedPaste) }

// Read shows the prompt and returns the message. Enter ends it; Alt-Enter,
// Shift-Enter, Ctrl-J and a backslash before Enter begin a new line. The
// error is io.EOF for Ctrl-D and [ErrInterrupt] for Ctrl-C, both with nothing
// typed.
func (e *Editor) Read(ctx context.Context, prompt string) (string, error) {
	s := newState(prompt, e.history.Entries(), e.complete)
	for len(e.pending) > 0 && !s.done {
		msg := e.pending[0]
		e.pending = e.pending[1:]
		s.Update(msg)
	}
	if !s.done {
		p := tea.NewProgram(s, tea.WithContext(ctx), tea.WithInput(e.in), tea.WithOutput(e.out), tea.WithoutSignalHandler(),
			// Finding it out would run tmux, and there are no colours.
			tea.WithColorProfile(colorprofile.ANSI))
		if _, err := p.Run(); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return "", err
		}
	}
	e.pending = append(s.late, e.pending...)
	s.print(e.out)
	// What is pasted before the next message is read must still be one piece.
	fmt.Fprint(e.out, ansi.SetModeBracketedPaste)
	if s.err != nil {
		return "", s.err
	}
	text := s.text()
	e.history.Add(text)
	return text, nil
}

// state is the message while it is typed. It implements [tea.Model].
type state struct {
	area     area
	prompt   string
	complete func(string) []string
	pastes   pastes

	entries []string // of the history, oldest first
	at      int      // the entry shown; len(entries) for the new message
	draft   string   // the new message, while an entry is shown

	notice string // below the text
	done   bool
	err    error
	late   []tea.Msg // that came after the end
}

const (
	maxHeight = 10 // rows shown; more are scrolled
	// lateTime is how long keys that came in one piece with Enter, or soon
	// after it, are waited for: they belong to the next message.
	lateTime = 20 * time.Millisecond
)

func newState(prompt string, entries []string, complete func(string) []string) *state {
	s := &state{prompt: prompt, complete: complete, entries: entries, at: len(entries)}
	s.resize(80)
	return s
}

// resize sets the width of the terminal.
func (s *state) resize(width int) { s.area.width = width - ansi.StringWidth(s.prompt) }

// Init implements [tea.Model].
func (s *state) Init() tea.Cmd { return nil }

// View implements [tea.Model].
func (s *state) View() tea.View {
	if s.done {
		return tea.NewView("") // see print
	}
	rows, row, column := s.area.view(maxHeight)
	text := s.prompt + strings.Join(rows, s.indent())
	if s.notice != "" {
		text += "\n" + s.notice
	}
	v := tea.NewView(text)
	v.Cursor = tea.NewCursor(ansi.StringWidth(s.prompt)+column, row)
	return v
}

// indent begins the rows below the prompt's.
func (s *state) indent() string { return "\n" + strings.Repeat(" ", ansi.StringWidth(s.prompt)) }

// Update implements [tea.Model].
func (s *state) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.resize(msg.Width)
		return s, nil
	case tea.KeyPressMsg, tea.PasteMsg:
		if s.done {
			s.late = append(s.late, msg)
			return s, nil
		}
		s.notice = ""
		if paste, ok := msg.(tea.PasteMsg); ok {
			s.insert(paste.Content)
			return s, nil
		}
		return s, s.key(msg.(tea.KeyPressMsg))
	case edited:
		s.replace(msg)
		return s, nil
	}
	return s, nil
}

// print writes the message that was typed, with a short mark for what was
// pasted, to stay on the screen.
func (s *state) print(out io.Writer) {
	fmt.Fprintln(out, s.prompt+strings.ReplaceAll(s.area.text(), "\n", s.indent()))
}

func (s *state) key(k tea.KeyPressMsg) tea.Cmd {
	name, empty := k.String(), len(s.area.cells) == 0
	switch name {
	case "enter":
		return s.enter()
	case "ctrl+c":
		if empty {
			return s.end(ErrInterrupt)
		}
		s.area.set("")
		s.at = len(s.entries)
		return nil
	case "ctrl+d":
		if empty {
			return s.end(io.EOF)
		}
	case "alt+enter", "shift+enter", "ctrl+j":
		s.area.insert("\n")
		return nil
	case "ctrl+x":
		return s.openEditor()
	case "ctrl+l":
		return tea.ClearScreen
	case "ctrl+z":
		return tea.Suspend
	case "tab":
		s.tab()
		return nil
	case "up", "ctrl+p":
		if s.area.first() {
			s.recall(s.at - 1)
			return nil
		}
	case "down", "ctrl+n":
		if s.area.last() {
			s.recall(s.at + 1)
			return nil
		}
	}
	if !s.area.key(name) && k.Text != "" {
		s.area.insert(k.Text)
	}
	return nil
}

// enter ends the message, unless it asks for more.
func (s *state) enter() tea.Cmd {
	text := s.area.text()
	if before, ok := strings.CutSuffix(text, `\`); ok {
		s.area.set(before + "\n")
		return nil
	}
	if OpenBlock(text) {
		s.area.insert("\n")
		return nil
	}
	return s.end(nil)
}

func (s *state) end(err error) tea.Cmd {
	s.done, s.err = true, err
	return tea.Tick(lateTime, func(time.Time) tea.Msg { return tea.Quit() })
}

// text is the message with its pastes.
func (s *state) text() string { return Unquote(s.pastes.expand(s.area.text())) }

// insert puts text at the cursor; if there is much of it, something short
// that stands for it.
func (s *state) insert(text string) { s.area.insert(s.pastes.fold(text)) }

// recall shows entry i of the history.
func (s *state) recall(i int) {
	if i < 0 || i > len(s.entries) {
		return
	}
	if s.at == len(s.entries) {
		s.draft = s.area.text()
	}
	s.at = i
	if i == len(s.entries) {
		s.area.set(s.draft)
		return
	}
	s.area.set(s.pastes.fold(s.entries[i]))
}

// tab completes the text as far as it is certain, and shows what could follow.
func (s *state) tab() {
	if s.complete == nil {
		return
	}
	text := s.area.text()
	list := s.complete(text)
	if len(list) == 0 {
		return
	}
	common := list[0]
	for _, c := range list[1:] {
		n := 0
		for n < min(len(common), len(c)) && common[n] == c[n] {
			n++
		}
		common = common[:n]
	}
	if len(common) > len(text) {
		s.area.set(common)
	}
	if len(list) > 1 {
		sorted := slices.Sorted(slices.Values(list))
		s.notice = strings.Join(sorted, "  ")
	}
}
