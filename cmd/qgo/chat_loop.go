package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench/machine"
	"qgo/cmd/qgo/lineedit"
	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/chat"
	"qgo/model/dialog"
)

// conversation is a chat in progress.
type conversation struct {
	cmd      *cobra.Command
	m        *model.Model
	dialog   *dialog.Dialog
	sampling *sampling
	verbose  bool
	out      io.Writer
	tty      bool // out is a terminal
	input    input
	files    string  // text of /read for the next message
	session  string  // name that the conversation was loaded from or last saved under
	busy     float64 // CPUs that other programs kept busy during the latest answer
}

// input is where messages come from.
type input interface {
	Read(ctx context.Context, prompt string) (string, error)
}

func newConversation(cmd *cobra.Command, m *model.Model, d *dialog.Dialog, verbose bool) *conversation {
	out := cmd.OutOrStdout()
	c := &conversation{cmd: cmd, m: m, dialog: d, verbose: verbose, out: out, tty: isTerminal(out)}
	return c
}

// newInput returns an editor for a terminal that can do what it needs. Until
// done is called, the terminal keeps what is typed for the editor, and Ctrl-C
// does not end the program.
func (c *conversation) newInput() (_ input, done func()) {
	in, inFile := c.cmd.InOrStdin().(*os.File)
	out := fileOf(c.out)
	if !inFile || out == nil || !isTerminal(in) || !canOverwrite(out) {
		return lineedit.NewPlain(c.cmd.InOrStdin(), c.prompts()), func() {}
	}
	path := "" // without a place for it the history is this chat's
	if dir, err := stateDir(); err == nil {
		path = filepath.Join(dir, "history")
	}
	history, err := lineedit.OpenHistory(path)
	if err != nil {
		c.say("(earlier messages cannot be recalled: %v)", err)
	}
	e := lineedit.NewEditor(in, out, history, completeCommand)
	release, restore := takeInterrupts(c.cmd.Context(), e.Interrupt), quiet(in.Fd())
	closed := atExit(c.cmd.Context(), func() {
		e.Close()
		restore()
	})
	return e, func() {
		closed()
		release()
	}
}

// prompts is where the prompts go where there is no editor: to a terminal, for
// they are no part of the output.
func (c *conversation) prompts() io.Writer {
	for _, w := range []io.Writer{c.out, c.cmd.ErrOrStderr()} {
		if isTerminal(w) {
			return w
		}
	}
	return io.Discard
}

// loop answers one message after the other.
func (c *conversation) loop() error {
	input, done := c.newInput()
	defer done()
	c.input = input
	name := c.m.Name
	if name == "" {
		name = filepath.Base(c.m.File.Name)
	}
	c.say("%s, %s. /help lists commands, Ctrl-D leaves.", show.Text(name), c.use())
	for {
		text, err := c.input.Read(c.cmd.Context(), "> ")
		switch {
		case errors.Is(err, lineedit.ErrInterrupt):
			c.say("(Ctrl-D or /bye leaves)")
			continue
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		switch err := c.handle(text); {
		case errors.Is(err, errBye):
			return nil
		case c.cmd.Context().Err() != nil:
			return c.cmd.Context().Err() // also if the answer was complete
		case err != nil:
			c.say("%s", plain(err))
		}
	}
}

// used is the number of tokens that the conversation takes, or of one that
// cannot fit fewer, but more than there is room for. What is in the session may
// be more: turns that were taken back are there until the next question comes.
func (c *conversation) used() int {
	if c.dialog.Turns() == 0 {
		return 0
	}
	_, need, err := c.m.PromptWithin(chat.Conversation{Messages: c.dialog.Messages()}, c.dialog.Cap())
	if err != nil {
		return c.dialog.Len()
	}
	return need
}

// use says how much of the context the conversation takes.
func (c *conversation) use() string {
	used, room := c.used(), c.dialog.Cap()
	if used > room {
		return fmt.Sprintf("too long for the context of %d tokens: the next question offers to drop the oldest turns, and --ctx makes the context larger", room)
	}
	return fmt.Sprintf("%d of %d tokens of context used", used, room)
}

// say prints a line that is not the model's.
func (c *conversation) say(format string, args ...any) {
	fmt.Fprintln(c.out, wrapped(c.out, show.Lines(fmt.Sprintf(format, args...))))
}

// handle carries out a command or asks the model.
func (c *conversation) handle(text string) error {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	if name, rest, ok := asCommand(text); ok {
		return c.run(name, rest)
	}
	if word := strings.TrimSpace(text); word == "exit" || word == "quit" {
		c.say("(/bye or Ctrl-D leaves)")
		return nil
	}
	if c.files != "" {
		text = c.files + text
	}
	err := c.ask(text)
	if m := c.dialog.Messages(); len(m) > 1 && m[len(m)-2].Content == text {
		c.files = "" // they were sent, and the message was not taken back
	}
	var full *dialog.FullError
	if errors.As(err, &full) && c.files != "" {
		return fmt.Errorf(`%w; /read "" leaves the files out`, err)
	}
	return err
}

// ask asks, and gives the choice what to drop when the context is full.
func (c *conversation) ask(question string) error {
	err := c.interactive(c.dialog.Ask, question)
	var full *dialog.FullError
	if !errors.As(err, &full) || full.Turns == 0 {
		return err
	}
	c.say("%v.", full)
	drop, err := c.agrees("Drop them (d), or stop here (s)? ", "drop", "stop")
	if err != nil {
		return err
	}
	if !drop {
		c.say("(nothing was dropped and nothing asked; /save keeps the conversation, /clear begins a new one)")
		return nil
	}
	c.dialog.Drop(full.Turns)
	c.say("(dropped: the oldest %s)", turns(full.Turns))
	return c.interactive(c.dialog.Ask, question)
}

// agrees asks until it gets an answer: yes or no, those words, or a letter of
// one. Whoever says nothing does not agree.
func (c *conversation) agrees(question, yes, no string) (bool, error) {
	for {
		answer, err := c.input.Read(c.cmd.Context(), question)
		if err != nil && !errors.Is(err, lineedit.ErrInterrupt) && err != io.EOF {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(answer)) {
		case yes, yes[:1], "yes", "y":
			return true, nil
		case no, no[:1], "no", "n", "":
			return false, nil
		}
	}
}

// stoppable calls f with a context that ends at Ctrl-C, which stops no more
// than that.
func (c *conversation) stoppable(f func(ctx context.Context) error) (stopped bool, err error) {
	ctx, cancel := context.WithCancel(c.cmd.Context())
	defer cancel()
	defer takeInterrupts(ctx, cancel)()
	err = f(ctx)
	return errors.Is(err, context.Canceled) && c.cmd.Context().Err() == nil, err
}

// asking is [dialog.Dialog.Ask].
type asking func(ctx context.Context, question string, emit dialog.Emit) error

// interactive is turn, with a Ctrl-C that stops no more than the answer.
func (c *conversation) interactive(ask asking, question string) error {
	stopped, err := c.stoppable(func(ctx context.Context) error { return c.turn(ctx, ask, question) })
	if stopped {
		if s := c.dialog.Stats(); s.Generated == 0 {
			c.say("(stopped before the answer; the question is taken back)")
		} else {
			c.say("(stopped; /regen answers anew, /undo takes the question back)")
		}
		return nil
	}
	return err
}

// turn asks and writes the answer as it comes.
func (c *conversation) turn(ctx context.Context, ask asking, question string) error {
	reading := newReading(c.cmd)
	c.dialog.Generation.Progress = reading.set
	neighbours := machine.WatchNeighbours()
	begun := false
	out := c.newAnswer()
	err := ask(ctx, question, func(text string, reasoning bool) error {
		begun = true
		reading.end()
		return out.write(text, reasoning)
	})
	reading.end()
	if end := out.end(); err == nil {
		err = end
	}
	if begun || err == nil {
		fmt.Fprintln(c.out)
	}
	c.busy = neighbours.Busy()
	if err != nil {
		return withTemplateAdvice(err)
	}
	if c.dialog.Stats().End == model.ContextFull {
		fmt.Fprintf(c.cmd.ErrOrStderr(), "qgo: the context of %d tokens is full and the answer was cut short; --ctx makes it larger\n", c.dialog.Cap())
	}
	if c.verbose {
		fmt.Fprintln(c.cmd.ErrOrStderr(), wrapped(c.cmd.ErrOrStderr(), c.stats()))
	}
	return nil
}

// stats describes the latest answer.
func (c *conversation) stats() string {
	s := c.dialog.Stats()
	crowd := machine.BusyText(c.busy, runtime.NumCPU())
	if team := c.m.Team(); team < c.m.Threads() {
		crowd = fmt.Sprintf("beside another qgo: %d of %d threads", team, c.m.Threads())
	}
	if crowd != "" {
		crowd = " · " + crowd
	}
	drafts := ""
	if s.Drafted > 0 {
		drafts = fmt.Sprintf(" (%d of %d guessed tokens right)", s.Accepted, s.Drafted)
	}
	return fmt.Sprintf("[prompt %d tokens (%d reused), first token after %.2f s, %.1f t/s · answer %d tokens, %.1f t/s%s · context %d of %d%s]",
		s.Prompt, s.Reused, s.Prefill.Seconds(), s.PrefillRate(), s.Generated, s.DecodeRate(), drafts, c.used(), c.dialog.Cap(), crowd)
}
