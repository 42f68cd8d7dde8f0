//go:build unix

package main

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"qgo/model"
	"qgo/model/chat"
	"qgo/model/demo"
	"qgo/testdata"
)

// sessionsIn makes the directory of sessions below state, and returns a
// function that names the file of one.
func sessionsIn(t *testing.T, state string) func(name string) string {
	t.Helper()
	dir := filepath.Join(state, "qgo", "sessions")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return func(name string) string { return filepath.Join(dir, name+sessionSuffix) }
}

// writeMessages writes a session of the built-in model with these messages and
// nothing computed.
func writeMessages(t *testing.T, path string, messages any) {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(t.Context(), f, model.Options{Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession(0)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	extra, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Save(file, extra), file.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestChatLongSession shows a conversation that is longer than the context, and
// stops that with Ctrl-C.
func TestChatLongSession(t *testing.T) {
	state := t.TempDir()
	path := sessionsIn(t, state)
	const size = 16 << 20
	writeMessages(t, path("long"), []chat.Message{
		{Role: "user", Content: "What?"}, {Role: "assistant", Content: strings.Repeat("many words ", size/11)}})
	c := start(t, []string{"XDG_STATE_HOME=" + state}, "chat", "--ctx", "4096")
	c.expect("\n>")
	for _, command := range []string{"/load long", "/show"} {
		c.say(command)
		if command == "/load long" {
			c.expect("(1 turn, too long for the context of 4096 tokens: the next question")
		}
		c.expect("many words many words")
		begin := time.Now()
		c.send(ctrlC)
		c.await("(stopped)", func(rest string) bool { return strings.Contains(rest[max(0, len(rest)-200):], "(stopped)") })
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: stopped after %v", command, took)
		}
		c.seen = len(c.text())
	}
	if n := len(c.raw()); n > size {
		t.Errorf("wrote %d bytes after Ctrl-C", n)
	}
	c.say("What now?")
	c.expect("dropping the oldest 1\nturn would make it fit")
	c.expect("Drop them (d)")
	c.say("s")
	c.expect("nothing was dropped")
}

// TestChatOddSessions loads and saves what is no session.
func TestChatOddSessions(t *testing.T) {
	state := t.TempDir()
	path := sessionsIn(t, state)
	writeMessages(t, path("number"), 7)
	err := errors.Join(syscall.Mkfifo(path("pipe"), 0o600), os.Symlink(path("number"), path("link")), os.Mkdir(path("dir"), 0o700),
		syscall.Mkfifo(filepath.Join(state, "qgo", "history"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, []string{"XDG_STATE_HOME=" + state}, "chat")
	pty.Setsize(c.tty, &pty.Winsize{Rows: 24, Cols: 1000})
	c.expect("(earlier messages cannot be recalled: ")
	c.expect("\n>")
	for _, x := range []struct{ command, want string }{
		{"/load pipe", path("pipe") + " is no ordinary file"},
		{"/load link", path("link") + " is a symbolic link"},
		{"/load dir", path("dir") + " is a directory"},
		{"/load number", "the conversation number cannot be loaded: the session holds no conversation"},
		{"/save pipe", path("pipe") + " is no ordinary file"},
		{"/save link", path("link") + " is a symbolic link"},
		{"/save dir", path("dir") + " is a directory"},
	} {
		c.say(x.command)
		c.expect("> " + x.command + "\n")
		c.expect(x.want)
	}
	c.say("/load numbr")
	c.expect("there is no session numbr; did you mean number?\n")
	if text := c.text(); strings.Contains(text, "json") || strings.Contains(text, "lstat") {
		t.Errorf("wrote %q", text)
	}
	// A place that is none.
	file := filepath.Join(state, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c = start(t, []string{"XDG_STATE_HOME=" + file}, "chat")
	pty.Setsize(c.tty, &pty.Winsize{Rows: 24, Cols: 1000})
	c.expect("\n>")
	c.say("/save x")
	c.expect("the conversation could not be saved: " + filepath.Join(file, "qgo", "sessions") + ": not a directory")
}

// TestChatReplace asks before another conversation is written over, and not
// before its own is.
func TestChatReplace(t *testing.T) {
	state := t.TempDir()
	path := sessionsIn(t, state)
	writeMessages(t, path("old"), []chat.Message{{Role: "user", Content: "Old?"}, {Role: "assistant", Content: "Old."}})
	old, err := os.ReadFile(path("old"))
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, []string{"XDG_STATE_HOME=" + state}, "chat")
	c.expect("\n>")
	for _, answer := range []string{"n", "", ctrlC} {
		c.say("/save old")
		c.expect("old is there already, ")
		c.expect("Replace it (y), or keep it (n)?")
		if answer == ctrlC {
			c.send(ctrlC)
		} else {
			c.say(answer)
		}
		c.expect("(nothing was saved")
		if b, _ := os.ReadFile(path("old")); string(b) != string(old) {
			t.Errorf("%q: the file was changed", answer)
		}
	}
	c.say("/load old")
	c.expect("assistant: Old.")
	c.say("/save old") // where it is from
	c.expect("(saved 1 turn")
	c.say("/clear")
	c.expect("(a new conversation)")
	c.say("/save old")
	c.expect("Replace it (y)")
	c.say("y")
	c.expect("(saved 0 turns")
	c.say("/save new")
	c.expect("(saved 0 turns")
	c.say("/save new") // where it went last
	c.expect("(saved 0 turns")
	c.say("/quit")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(c.text(), "is there already"); n != 4 {
		t.Errorf("asked %d times, want 4", n)
	}
}

// TestChatLeaving tries what other programs are left with.
func TestChatLeaving(t *testing.T) {
	c := start(t, nil, "chat")
	c.expect("\n>")
	for _, word := range []string{"exit", "quit"} {
		c.say(word)
		c.expect("> " + word + "\n")
		c.expect("(/bye or Ctrl-D leaves)")
	}
	c.say("/stats")
	c.expect("[prompt 0 tokens (0 reused)") // no word went to the model
	c.say("/exti")
	c.expect("there is no command /exti; did you mean /exit?\n")
	if err := c.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.expect("(Ctrl-D or /bye leaves)")
	c.say("/exit")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestChatSettings says what numbers mean that are no amounts.
func TestChatSettings(t *testing.T) {
	c := start(t, nil, "chat", "--temp", "0", "--top-p", "1", "--repeat-last-n", "0")
	c.expect("\n>")
	c.say("/set")
	for _, s := range [][2]string{
		{"temp", "0, greedy"}, {"top-k", "0, all"}, {"top-p", "1, all"}, {"min-p", "0, off"}, {"repeat-penalty", "0, off"},
		{"presence-penalty", "0, off"}, {"frequency-penalty", "0, off"}, {"repeat-last-n", "0, none"}, {"max-tokens", "0, no limit"},
	} {
		c.expect("\n" + entry(s[0], s[1], 80))
	}
	c.say("/set repeat-last-n -1")
	c.say("/set repeat-last-n")
	c.expect(entry("repeat-last-n", "-1, all", 80))
	c.say("/set max-tokens 7")
	c.say("/set max-tokens")
	c.expect(entry("max-tokens", "7", 80) + "\n")
}

// TestChatHangup ends while the message is in another editor: the file that
// holds it goes as well.
func TestChatHangup(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(t.TempDir(), "editor")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho editing\nsleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	c := start(t, []string{"VISUAL=" + script, "TMPDIR=" + dir}, "chat")
	c.expect("\n>")
	c.send("a secret")
	c.expect("a secret")
	c.send("\x18") // Ctrl-X
	c.expect("editing")
	if err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := c.wait(); code != 128+int(syscall.SIGHUP) {
		t.Errorf("exit code %d", code)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "qgo-*")); len(left) != 0 {
		t.Errorf("%q are left", left)
	}
}

// TestChatOutputFile writes prompts to the terminal when the output is a file.
func TestChatOutputFile(t *testing.T) {
	master, tty, err := pty.Open()
	if err != nil {
		testdata.Missing(t, "a pseudo-terminal: %v", err)
	}
	defer master.Close()
	var out strings.Builder
	cmd := exec.Command(os.Args[0], "chat")
	cmd.Env = append(os.Environ(), "QGO_TEST_RUN=1", "XDG_STATE_HOME="+t.TempDir())
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &out, tty
	if _, err := master.WriteString("What does strings.ToUpper do?\n/bye\n"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(cmd.Run(), tty.Close()); err != nil {
		t.Fatal(err)
	}
	// One read may return less than was written; after the last one there is an error, as
	// nobody has the terminal open.
	terminal, _ := io.ReadAll(master)
	if text := out.String(); strings.Contains(text, "> ") || !strings.Contains(text, upper) || !strings.Contains(string(terminal), "> ") {
		t.Errorf("output %q, terminal %q", text, terminal)
	}
}

// TestChatJSONTalk wants a question for JSON.
func TestChatJSONTalk(t *testing.T) {
	for _, args := range [][]string{{"-o", "json"}, {"-p", ""}, {"-p", " \n"}} {
		c := start(t, nil, append([]string{"chat"}, args...)...)
		if code := c.wait(); code != exitUsage || !strings.Contains(c.text(), " -p") {
			t.Errorf("%q: exit code %d, %q", args, code, c.text())
		}
	}
}
