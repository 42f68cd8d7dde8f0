//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"

	"qgo/bench"
	"qgo/model/synth"
	"qgo/testdata"
)

// TestMain lets the test's binary be the program, for tests that need a
// process of its own.
func TestMain(m *testing.M) {
	bench.MaxArray = 32 << 20 // no test asks how fast the memory is
	if os.Getenv("QGO_TEST_RUN") != "" {
		main()
	}
	os.Exit(m.Run())
}

// console is the program in a pseudo-terminal.
type console struct {
	t    *testing.T
	tty  *os.File
	cmd  *exec.Cmd
	mu   sync.Mutex
	out  bytes.Buffer
	seen int           // bytes of the text in out that expect is done with
	more chan struct{} // out has grown
	done chan struct{} // closed when all is in out
}

func start(t *testing.T, env []string, args ...string) *console {
	t.Helper()
	c := &console{t: t, cmd: exec.Command(os.Args[0], args...), more: make(chan struct{}, 1), done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), "QGO_TEST_RUN=1", "TERM=xterm-256color", "XDG_STATE_HOME="+t.TempDir())
	c.cmd.Env = append(c.cmd.Env, env...)
	var err error
	if c.tty, err = pty.StartWithSize(c.cmd, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
		testdata.Missing(t, "a pseudo-terminal: %v", err)
	}
	go func() {
		defer close(c.done)
		b := make([]byte, 1<<16)
		for {
			n, err := c.tty.Read(b)
			c.mu.Lock()
			c.out.Write(b[:n])
			c.mu.Unlock()
			select {
			case c.more <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		c.tty.Close()
	})
	return c
}

func (c *console) send(text string) {
	c.t.Helper()
	if _, err := c.tty.WriteString(text); err != nil {
		c.t.Fatal(err)
	}
}

// escapes matches what is no text, also when its end has not come yet.
var escapes = regexp.MustCompile(`\x1b\[[0-9;?>=<]*[ -/]*([@-~]|$)|\x1b([@-Z\\-_]|$)|\r`)

// raw is what the program wrote.
func (c *console) raw() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.out.String()
}

// text is what the program wrote, without escape sequences.
func (c *console) text() string { return escapes.ReplaceAllString(c.raw(), "") }

// expect waits for text in what follows that of the last call.
func (c *console) expect(text string) {
	c.t.Helper()
	c.await(strconv.Quote(text), func(rest string) bool {
		before, _, ok := strings.Cut(rest, text)
		if ok {
			c.seen += len(before) + len(text)
		}
		return ok
	})
}

// expectAnswer waits for the first letters of an answer, whatever they are:
// what follows the line of the question and the progress of reading it.
func (c *console) expectAnswer() {
	c.t.Helper()
	const reading = "reading "
	c.await("answer", func(rest string) bool {
		rest = strings.TrimSpace(readingLine.ReplaceAllString(rest, ""))
		return rest != "" && !strings.HasPrefix(rest, reading) && !strings.HasPrefix(reading, rest)
	})
}

// await waits until the text that expect is not done with is what is wanted.
func (c *console) await(want string, ok func(rest string) bool) {
	c.t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		rest := c.text()[c.seen:]
		if ok(rest) {
			return
		}
		select {
		case <-c.more:
		case <-deadline:
			c.t.Fatalf("no %s in %q", want, rest)
		}
	}
}

// readingLine matches what chat shows while it reads a question: a rate as soon
// as something is read.
var readingLine = regexp.MustCompile(`reading 0 of \d+ tokens|reading \d+ of \d+ tokens  [^\n]*? left`)

// say sends a message as soon as the editor is ready for it.
func (c *console) say(text string) {
	c.t.Helper()
	c.send(text + "\r")
}

// wait returns the exit code when all that the program wrote has been read.
func (c *console) wait() int {
	c.t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	select {
	case err := <-done:
		<-c.done
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return exit.ExitCode()
		}
		return 0
	case <-time.After(30 * time.Second):
		c.t.Fatal("the program does not end")
		return -1
	}
}

const (
	ctrlC, ctrlD, backspace = "\x03", "\x04", "\x7f"
	upper                   = "ToUpper returns s with all Unicode letters"
)

func TestChatCommands(t *testing.T) {
	c := start(t, nil, "chat")
	c.expect("qgo pull")
	c.expect("/help")
	c.say("What does strings.ToUpper do?")
	c.expect(upper)
	c.say("/save one")
	c.expect("(saved 1 turn,")
	c.say("/clear")
	c.expect("(a new conversation)")
	c.say("/regen")
	c.expect("there is no answer yet")
	c.say("/load one")
	c.expect("(1 turn, ")
	c.expect("assistant: " + upper)
	c.say("/regen")
	c.expect(upper)
	c.say("/stats")
	c.expect("first token after")
	c.say("/undo")
	c.expect("(taken back: What does strings.ToUpper do?)")
	c.say("/show")
	c.expect("(0 turns, 0 of ")
	c.say("/set temp 0.5")
	c.say("/set temp")
	c.expect("0.5")
	c.say("/set tmep 1")
	c.expect("no setting tmep; did you mean temp?")
	c.say("/set temp -1")
	c.expect("temp is -1: want")
	c.say("/set repeat-last-n -5")
	c.expect("repeat-last-n is -5: want at least -1 (-1: all tokens, 0: none)")
	c.say("/set seed -1")
	c.expect("whole number from 0 to 18446744073709551615")
	c.say("/set verbose on")
	// Typed and deleted, with characters two columns wide.
	c.send("/system 日本語" + backspace + "é" + backspace + "!")
	c.send("\r")
	c.say("/system")
	c.expect("\n日本!")
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte("Some notes."), 0o600); err != nil {
		t.Fatal(err)
	}
	c.say("/read " + filepath.Dir(file))
	c.expect(" is a directory")
	c.say("/read " + file)
	c.expect("goes with the next message")
	c.say("What is this?")
	c.expect("context ") // verbose
	c.say("/show")
	c.expect("user: notes.txt:")
	c.say("/nothing")
	c.expect("no command /nothing; /help lists them\n")
	c.say("/s")
	c.expect("could be /system or /set")
	c.say("/saev x")
	c.expect("no command /saev; did you mean /save?\n")
	c.say("/clear")
	c.expect("(a new conversation)")
	c.say("/show")
	c.expect("(0 turns, 0 of ")
	c.say("/save ../x")
	c.expect("is no name for a conversation")
	c.say("/load nothing")
	c.expect("no session nothing")
	c.say("/load")
	c.expect("one ")
	c.send("/delete o\t\r")
	c.expect("(deleted one)")
	c.say("/load")
	c.expect("(no saved conversations")
	c.say("/help")
	c.expect("write the message in $EDITOR")
	c.say("/bye")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestChatHistory finds a message of an earlier run.
func TestChatHistory(t *testing.T) {
	state := "XDG_STATE_HOME=" + t.TempDir()
	c := start(t, []string{state}, "chat")
	c.expect("\n>")
	c.say("What does strings.ToUpper do?")
	c.expect(upper)
	c.send(ctrlD)
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	c = start(t, []string{state}, "chat")
	c.expect("\n>")
	c.send("\x1b[A\r")
	c.expect(upper)
	c.send("\x12") // Ctrl-R
	c.expect("search:")
	c.send("upper\r")
	c.expect(upper)
	c.send("\x12upper\x07\x0cWhat does strings.ToUpper do?\r") // Ctrl-G, Ctrl-L, and no letter is lost
	c.expect(upper)
	if !strings.Contains(c.raw(), ansi.EraseEntireScreen+ansi.CursorHomePosition) {
		t.Error("Ctrl-L does not clear the screen")
	}
}

func TestChatPaste(t *testing.T) {
	c := start(t, nil, "chat", "--ctx", "512")
	c.expect("\n>")
	c.send("\x1b[200~" + strings.Repeat("a line of text\r", 10000) + "\x1b[201~")
	c.expect("[paste 1: 10000 lines]")
	c.send("\r")
	c.expect("ask something shorter")
	c.send("\x1b[A") // it can be sent again
	c.expect("[paste 1: 10000 lines]")
	c.send(ctrlC)
	file := filepath.Join(t.TempDir(), "long.txt")
	if err := os.WriteFile(file, []byte(strings.Repeat("many words ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.say("/read " + file)
	c.expect("more than the context of 512 has room for")
	c.say("x")
	c.expect(`/read "" leaves the files out`)
	c.say(`/read ""`)
	c.expect("no file goes with the next message")
	pty.Setsize(c.tty, &pty.Winsize{Rows: 10, Cols: 40})
	c.send("What does ")
	pty.Setsize(c.tty, &pty.Winsize{Rows: 24, Cols: 100})
	c.say("strings.ToUpper do?")
	c.expect(upper)
}

// TestChatFull fills the context: nothing may go before it is asked for.
func TestChatFull(t *testing.T) {
	c := start(t, nil, "chat", "--ctx", "128")
	for range 3 {
		c.expect("\n>")
		c.say("What does strings.ToUpper do?")
		c.expect(upper)
	}
	c.say("What does strings.ToUpper do?")
	c.expect("dropping the oldest 1 turn would")
	c.expect("Drop them (d)")
	c.say("s")
	c.expect("nothing was dropped")
	c.say("What does strings.ToUpper do?")
	c.expect("Drop them (d)")
	c.say("d")
	c.expect("dropped: the oldest 1 turn")
	c.expect(upper)
}

// TestChatInterrupt presses Ctrl-C at the prompt, in prefill and in decode.
// The model is random and slow enough.
func TestChatInterrupt(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a large file")
	}
	spec, err := synth.ParseSpec("0.5b", "q8_0")
	if err != nil {
		t.Fatal(err)
	}
	spec.Blocks, spec.Vocab = 4, 20000
	path := filepath.Join(t.TempDir(), "slow.gguf")
	if err := synth.Write(t.Context(), path, spec, nil); err != nil {
		t.Fatal(err)
	}
	c := start(t, nil, "chat", "--model", path, "--ctx", "32000", "-v")
	c.expect("\n>")
	c.send("not this" + ctrlC)
	c.send(ctrlC)
	c.expect("(Ctrl-D or /bye leaves)")
	c.send("\x1b[200~" + strings.Repeat("some line\r", 4000) + "\x1b[201~")
	c.expect("4000 lines")
	c.send("\r")
	c.expect("reading ")
	c.send(ctrlC)
	c.expect("the question is taken back")
	c.say("/show")
	c.expect("(0 turns")
	c.say("hello")
	c.expect("hello\n") // as it was sent; then the answer
	c.expectAnswer()
	c.send("typed ahead" + ctrlC)
	c.expect("(stopped; /regen")
	c.send("\r")
	c.expect("> typed ahead\n")
	c.expectAnswer()
	c.send(ctrlC)
	c.expect("(stopped; /regen")
	c.say("/show")
	c.expect("(2 turns")
	c.send(ctrlD)
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestChatDumb uses a terminal that can do nothing.
func TestChatDumb(t *testing.T) {
	c := start(t, []string{"TERM=dumb", "NO_COLOR=1"}, "chat")
	c.expect("\n>")
	c.say("What does strings.ToUpper do?")
	c.expect(upper)
	c.send("/bye\r")
	if code := c.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if out := c.raw(); strings.Contains(out, "\x1b") {
		t.Errorf("escape sequences in %q", out)
	}
}
