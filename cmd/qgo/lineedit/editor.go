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
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
	"golang.org/x/term"
)

// ErrInterrupt says that Ctrl-C was pressed with nothing typed.
var ErrInterrupt = errors.New("interrupted")

// Editor reads from a terminal.
type Editor struct {
	in, out  *os.File
	history  *History
	complete func(text string) []string
	pending  []tea.Msg                   // typed after the end of the message before
	shown    atomic.Pointer[tea.Program] // the view, while the terminal is in its modes
	other    otherEditor

	// interrupted says that a signal came that no view has taken yet: between
	// two messages there is none.
	interrupted atomic.Bool
}

// NewEditor returns an editor. complete returns what the
// text so far could become, nil for nothing. Close it after use.
func NewEditor(in, out *os.File, history *History, complete func(text string) []string) *Editor {
	return &Editor{in: in, out: out, history: history, complete: complete}
}

// Interrupt does what Ctrl-C does at the prompt, for a signal that says the same.
// Without a prompt it is for the next one. While another editor is open the
// signal is for that.
func (e *Editor) Interrupt() {
	if e.other.open() {
		return
	}
	e.interrupted.Store(true)
	if p := e.shown.Load(); p != nil {
		go p.Send(interrupt{}) // which waits for the view
	}
}

// interrupt tells the view to look whether it was interrupted.
type interrupt struct{}

// Close makes the terminal paste as it did before. If the program ends in the
// midst of Read, it also takes back what the view has changed: the reports of
// keys, and the cursor. The text for another editor is removed.
func (e *Editor) Close() {
	e.other.close()
	if e.shown.Load() != nil {
		fmt.Fprint(e.out, ansi.ResetModifyOtherKeys+ansi.PopKittyKeyboard(1)+ansi.SetCursorStyle(0)+ansi.ShowCursor+"\r\n")
	}
	fmt.Fprint(e.out, ansi.ResetModeBracketedPaste)
}

// Read shows the prompt and returns the message. Enter ends it; Alt-Enter,
// Shift-Enter, Ctrl-J and a backslash before Enter begin a new line. The
// error is io.EOF for Ctrl-D and [ErrInterrupt] for Ctrl-C, both with nothing
// typed.
func (e *Editor) Read(ctx context.Context, prompt string) (string, error) {
	s := newState(prompt, e.history.Entries(), e.complete)
	s.other, s.interrupted = &e.other, &e.interrupted
	defer e.other.close() // the view can end before it knows that the editor did
	if width, _, err := term.GetSize(int(e.out.Fd())); err == nil && width > 0 {
		s.resize(width) // nobody says it of a message that is complete already
	}
	for len(e.pending) > 0 && !s.done {
		msg := e.pending[0]
		e.pending = e.pending[1:]
		s.Update(msg)
	}
	for !s.done {
		if s.clear {
			s.clear = false
			fmt.Fprint(e.out, ansi.EraseEntireScreen+ansi.CursorHomePosition)
			s.takeLate()
			continue
		}
		p := tea.NewProgram(s, tea.WithContext(ctx), tea.WithInput(e.in), tea.WithOutput(e.out), tea.WithoutSignalHandler(),
			// Finding it out would run tmux, and there are no colours.
			tea.WithColorProfile(colorprofile.ANSI))
		e.shown.Store(p)
		_, err := p.Run()
		e.shown.Store(nil)
		if err != nil {
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

	other       *otherEditor
	interrupted *atomic.Bool // see Editor

	search *search    // the search in progress, or nil
	past   []snapshot // of the message, for undo
	typing bool       // the latest change was a letter of a word

	notice string // below the text
	clear  bool   // the screen is to be cleared, which the view's program cannot do
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
	s := &state{prompt: prompt, complete: complete, entries: entries, at: len(entries),
		other: &otherEditor{}, interrupted: new(atomic.Bool)}
	s.resize(80)
	return s
}

// resize sets the width of the terminal.
func (s *state) resize(width int) { s.area.width = width - ansi.StringWidth(s.prompt) }

// Init implements [tea.Model]. The signal may have come before the view.
func (s *state) Init() tea.Cmd { return func() tea.Msg { return interrupt{} } }

// Update implements [tea.Model].
func (s *state) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.resize(msg.Width)
		return s, nil
	case tea.KeyPressMsg, tea.PasteMsg:
		if s.done || s.clear {
			s.late = append(s.late, msg)
			return s, nil
		}
		s.notice = ""
		before := s.snapshot()
		if paste, ok := msg.(tea.PasteMsg); ok {
			s.search = nil
			s.insert(paste.Content)
			s.changed(before, false)
			return s, nil
		}
		return s, s.press(msg.(tea.KeyPressMsg), before)
	case interrupt:
		if !s.done && !s.clear && s.interrupted.Swap(false) {
			return s.Update(tea.KeyPressMsg{Code: 'c', Mod: tea.ModCtrl})
		}
	case edited:
		before := s.snapshot()
		s.replace(msg)
		s.changed(before, false)
		return s, nil
	}
	return s, nil
}

// press takes a key; before is the message without it.
func (s *state) press(k tea.KeyPressMsg, before snapshot) tea.Cmd {
	switch k.String() {
	case "ctrl+_", "ctrl+/", "ctrl+-": // one key to most terminals
		s.search = nil
		s.undo()
		return nil
	}
	if s.search != nil && s.searchKey(k) {
		s.changed(before, false)
		return nil
	}
	cmd := s.key(k)
	r, _ := utf8.DecodeRuneInString(k.Text)
	s.changed(before, unicode.IsLetter(r) || unicode.IsNumber(r))
	return cmd
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
	case "ctrl+r":
		s.beginSearch()
		return nil
	case "ctrl+x":
		return s.openEditor()
	case "ctrl+l":
		s.clear = true
		return quitSoon()
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
	return quitSoon()
}

func quitSoon() tea.Cmd {
	return tea.Tick(lateTime, func(time.Time) tea.Msg { return tea.Quit() })
}

// takeLate takes the keys that came after the end of the view.
func (s *state) takeLate() {
	late := s.late
	s.late = nil
	for _, msg := range late {
		s.Update(msg)
	}
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
		common = commonPrefix(common, c)
	}
	if len(common) > len(text) {
		s.area.set(common)
	}
	if len(list) > 1 {
		start := strings.LastIndex(common, " ") + 1
		if i := strings.LastIndex(common[start:], "/"); i > 0 {
			start += i + 1 // of files the last part of the name
		}
		var ends []string
		for _, c := range slices.Sorted(slices.Values(list)) {
			ends = append(ends, strings.TrimSpace(c[start:]))
		}
		s.notice = strings.Join(ends, "  ")
	}
}

// commonPrefix returns the characters that both begin with.
func commonPrefix(a, b string) string {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(a) && !utf8.RuneStart(a[n]) {
		n--
	}
	return a[:n]
}

// maxNotice is the number of rows that a notice may take.
const maxNotice = 5
