package lineedit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// keys are those that tests press by name.
var keys = map[string]tea.KeyPressMsg{
	"enter": {Code: tea.KeyEnter}, "alt+enter": {Code: tea.KeyEnter, Mod: tea.ModAlt}, "backspace": {Code: tea.KeyBackspace},
	"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "tab": {Code: tea.KeyTab}, "left": {Code: tea.KeyLeft},
	"ctrl+r": {Code: 'r', Mod: tea.ModCtrl}, "ctrl+g": {Code: 'g', Mod: tea.ModCtrl}, "ctrl+_": {Code: '_', Mod: tea.ModCtrl}, "ctrl+k": {Code: 'k', Mod: tea.ModCtrl}, "ctrl+a": {Code: 'a', Mod: tea.ModCtrl},
	"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+d": {Code: 'd', Mod: tea.ModCtrl}, "ctrl+j": {Code: 'j', Mod: tea.ModCtrl},
}

// press types words: names of keys in brackets, and text.
func press(s *state, words ...string) *state {
	s.Update(tea.WindowSizeMsg{Width: 40, Height: 20})
	for _, w := range words {
		if k, ok := keys[strings.Trim(w, "<>")]; ok && strings.HasPrefix(w, "<") {
			s.Update(k)
			continue
		}
		for _, r := range w {
			s.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
		}
	}
	return s
}

func TestEditor(t *testing.T) {
	entries := []string{"first", "second\nline"}
	complete := func(text string) (list []string) {
		for _, c := range []string{"/save ", "/set ", "/show", "größe", "grüße"} {
			if strings.HasPrefix(c, text) {
				list = append(list, c)
			}
		}
		return list
	}
	for _, c := range []struct {
		words []string
		want  string
		err   error
	}{
		{words: []string{"hello", "<enter>"}, want: "hello"},
		{words: []string{"a", "<alt+enter>", "b", "<ctrl+j>", "c", "<enter>"}, want: "a\nb\nc"},
		{words: []string{`a\`, "<enter>", "b", "<enter>"}, want: "a\nb"},
		{words: []string{`"""a`, "<enter>", `b"""`, "<enter>"}, want: "a\nb"},
		{words: []string{"日本語é", "<backspace>", "<backspace>", "x", "<enter>"}, want: "日本x"},
		{words: []string{"ab", "<left>", "ü", "<enter>"}, want: "aüb"},
		{words: []string{"wrong", "<ctrl+c>", "right", "<enter>"}, want: "right"},
		{words: []string{"<up>", "<enter>"}, want: "second\nline"},
		{words: []string{"draft", "<up>", "<up>", "<up>", "<enter>"}, want: "first"},
		{words: []string{"draft", "<up>", "<down>", "!", "<enter>"}, want: "draft!"},
		{words: []string{"<up>", "<down>", "<down>", "x", "<enter>"}, want: "x"},
		{words: []string{"/sa", "<tab>", "x", "<enter>"}, want: "/save x"},
		{words: []string{"/s", "<tab>", "h", "<tab>", "<enter>"}, want: "/show"},
		{words: []string{"no command", "<tab>", "<enter>"}, want: "no command"},
		{words: []string{"g", "<tab>", "x", "<enter>"}, want: "grx"}, // no half of a letter
		{words: []string{"<ctrl+c>"}, err: ErrInterrupt},
		// Undo.
		{words: []string{"one two", "<ctrl+_>", "<enter>"}, want: "one "},
		{words: []string{"one two", "<ctrl+_>", "<ctrl+_>", "<ctrl+_>", "<ctrl+_>", "x", "<enter>"}, want: "x"},
		{words: []string{"one two", "<ctrl+a>", "<ctrl+k>", "<ctrl+_>", "!", "<enter>"}, want: "!one two"},
		{words: []string{"gone", "<ctrl+c>", "<ctrl+_>", "<enter>"}, want: "gone"},
		{words: []string{"a", "<alt+enter>", "<ctrl+_>", "<enter>"}, want: "a"},
		// The search.
		{words: []string{"<ctrl+r>", "ir", "<enter>"}, want: "first"},
		{words: []string{"<ctrl+r>", "s", "<enter>"}, want: "second\nline"},
		{words: []string{"<ctrl+r>", "s", "<ctrl+r>", "<enter>"}, want: "first"},
		{words: []string{"<ctrl+r>", "s", "<ctrl+r>", "<ctrl+r>", "<enter>"}, want: "first"},
		{words: []string{"<ctrl+r>", "sxt", "<backspace>", "<backspace>", "<enter>"}, want: "second\nline"},
		{words: []string{"draft", "<ctrl+r>", "fir", "<ctrl+g>", "!", "<enter>"}, want: "draft!"},
		{words: []string{"draft", "<ctrl+r>", "fir", "<ctrl+c>", "<enter>"}, want: "draft"},
		{words: []string{"draft", "<ctrl+r>", "fir", "<ctrl+_>", "<enter>"}, want: "draft"},
		{words: []string{"draft", "<ctrl+r>", "fir", "<left>", "!", "<enter>"}, want: "firs!t"},
		{words: []string{"draft", "<ctrl+r>", "fir", "<down>", "<down>", "<enter>"}, want: "draft"},
		{words: []string{"draft", "<ctrl+r>", "none of them", "<enter>"}, want: "draft"},
		{words: []string{"<ctrl+r>", "SEC", "<left>", "x", "<enter>"}, want: "x"},
		{words: []string{"<ctrl+d>"}, err: io.EOF},
		{words: []string{"ab", "<left>", "<ctrl+d>", "<enter>"}, want: "a"},
	} {
		s := press(newState("> ", entries, complete), c.words...)
		if !s.done || !errors.Is(s.err, c.err) || s.err == nil && s.text() != c.want {
			t.Errorf("%q gave %q, %v (done: %v); want %q, %v", c.words, s.text(), s.err, s.done, c.want, c.err)
		}
	}
}

// TestNotices shows what is below the message.
func TestNotices(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("/read dir/file%02d", i))
	}
	complete := func(string) []string { return many }
	for _, c := range []struct {
		words []string
		want  string
	}{
		{[]string{"<ctrl+r>", "co"}, "search: co"},
		{[]string{"<ctrl+r>", "cx"}, "not found: cx"},
		{[]string{"<ctrl+r>"}, "search: "},
		{[]string{"<ctrl+_>"}, "there is nothing to undo"},
		{[]string{"/read dir/", "<tab>"}, "file00  file01  file02  file03  file04\nfile05  file06  file07  file08  file09\n" +
			"file10  file11  file12  file13  file14\nfile15  file16  file17  file18  file19\n…"},
	} {
		s := press(newState("> ", []string{"second"}, complete), c.words...)
		if got := s.shownNotice(); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
			t.Errorf("%q: notice %q, want %q", c.words, got, c.want)
		}
	}
}

// TestLate wants keys after the end for the next message.
func TestLate(t *testing.T) {
	s := press(newState("> ", nil, nil), "a", "<enter>", "b", "<enter>")
	if s.text() != "a" || len(s.late) != 2 {
		t.Errorf("text %q, %d late keys; want a and 2", s.text(), len(s.late))
	}
}

func TestPaste(t *testing.T) {
	long := strings.Repeat("a line\r", 10000)
	for _, c := range []struct{ paste, shown, want string }{
		{"one line", "one line", "<one line>"},
		{"a\r\nb\rc", "a\nb\nc", "<a\nb\nc>"},
		{"tab\there", "[paste 1: 8 bytes]", "<tab\there>"},
		{long, "[paste 1: 10000 lines]", "<" + strings.ReplaceAll(long, "\r", "\n") + ">"},
		{strings.Repeat("x", 1e6), "[paste 1: 1000000 bytes]", "<" + strings.Repeat("x", 1e6) + ">"},
	} {
		s := press(newState("> ", nil, nil), "<")
		s.Update(tea.PasteMsg{Content: c.paste})
		if got := s.area.text(); got != "<"+c.shown {
			t.Errorf("%.20q is shown as %.40q, want %q", c.paste, got, "<"+c.shown)
		}
		press(s, ">", "<enter>")
		if got := s.text(); got != c.want {
			t.Errorf("%.20q became %.40q (%d bytes), want %d", c.paste, got, len(got), len(c.want))
		}
	}
	// Two, of which one is deleted again.
	s := newState("> ", nil, nil)
	s.Update(tea.PasteMsg{Content: "\t1"})
	s.Update(tea.PasteMsg{Content: "\t2"})
	press(s, "<backspace>", "<enter>")
	if got, want := s.text(), "\t1[paste 2: 2 bytes"; got != want {
		t.Errorf("a damaged mark gave %q, want %q", got, want)
	}
}

// TestClose takes the modes of the view back only while it is shown.
func TestClose(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	e := NewEditor(nil, out, openHistory(t, ""), nil)
	e.Close()
	e.shown.Store(&tea.Program{})
	e.Close()
	if got, want := string(read(t, path)), "\x1b[?2004l\x1b[>4m\x1b[<1u\x1b[0 q\x1b[?25h\r\n\x1b[?2004l"; got != want {
		t.Errorf("written %q, want %q", got, want)
	}
}

// TestInterruptEarly wants a signal between two messages to reach the next
// prompt, once.
func TestInterruptEarly(t *testing.T) {
	e := NewEditor(nil, nil, openHistory(t, ""), nil)
	e.Interrupt()
	ended := newState("> ", nil, nil)
	ended.interrupted = &e.interrupted
	press(ended, "a", "<enter>")
	ended.Update(interrupt{}) // too late for this one
	for _, want := range []error{ErrInterrupt, nil} {
		s := newState("> ", nil, nil)
		s.interrupted = &e.interrupted
		s.Update(s.Init()())
		if s.err != want {
			t.Errorf("error %v, want %v", s.err, want)
		}
	}
}

// TestReplace takes a text from another editor.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.md")
	if err := os.WriteFile(path, []byte("from\nthere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := press(newState("> ", nil, nil), "here")
	s.other.file.Store(&path)
	s.Update(edited{path: path, err: errors.New("exit status 1")})
	if s.area.text() != "here" || !strings.Contains(s.notice, "$EDITOR") {
		t.Errorf("an editor that failed: text %q, notice %q", s.area.text(), s.notice)
	}
	if err := os.WriteFile(path, []byte("from\nthere\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.other.file.Store(&path)
	s.Update(edited{path: path})
	if s.area.text() != "from\nthere" {
		t.Errorf("text %q", s.area.text())
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the editor's file is still there: %v", err)
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "history")
	h := openHistory(t, path)
	for _, text := range []string{"a", "a", "b\nc", " ", "a", strings.Repeat("x", maxEntryBytes+1)} {
		h.Add(text)
	}
	if err := os.WriteFile(path, append([]byte("damaged\n"), read(t, path)...), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(openHistory(t, path).Entries(), "|"); got != "a|b\nc|a" {
		t.Errorf("entries %q", got)
	}
	for i := range 2*maxEntries + 10 {
		h.Add(strings.Repeat("y", i%7+1))
	}
	h = openHistory(t, path)
	if n := len(h.Entries()); n != maxEntries {
		t.Errorf("%d entries, want %d", n, maxEntries)
	}
	if n := strings.Count(string(read(t, path)), "\n"); n != maxEntries {
		t.Errorf("the file has %d lines, want %d", n, maxEntries)
	}
	memory, long := openHistory(t, ""), strings.Repeat("x", maxEntryBytes+1)
	memory.Add(long)
	if got := memory.Entries(); len(got) != 1 || got[0] != long {
		t.Errorf("a long message without a file: %d entries", len(got))
	}
}

func openHistory(t *testing.T, path string) *History {
	t.Helper()
	h, err := OpenHistory(path)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPlain(t *testing.T) {
	var out strings.Builder
	p := NewPlain(strings.NewReader("one\r\n\"\"\"two\nlines\"\"\"\na\\\nb\nlast"), &out)
	for _, want := range []string{"one", "two\nlines", "a\nb", "last"} {
		if got, err := p.Read(context.Background(), "> "); got != want || err != nil {
			t.Errorf("read %q, %v; want %q", got, err, want)
		}
	}
	for range 2 {
		if _, err := p.Read(context.Background(), "> "); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
	if want := "> > ... > ... > > \n> \n"; out.String() != want {
		t.Errorf("prompts %q, want %q", out.String(), want)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	r, w := io.Pipe()
	defer w.Close()
	if _, err := NewPlain(r, io.Discard).Read(ctx, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
}
