package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
	"qgo/model/chat"
	"qgo/model/dialog"
)

// errBye ends a chat.
var errBye = errors.New("bye")

// chatCommand is what begins with a slash in a chat.
type chatCommand struct {
	name, args, help string
	run              func(c *conversation, args string) error
}

// chatCommands is a function because its help lists itself.
func chatCommands() []chatCommand {
	return []chatCommand{
		{"help", "", "list the commands and keys", (*conversation).help},
		{"clear", "", "begin a new conversation", func(c *conversation, _ string) error {
			c.dialog.Clear()
			c.files, c.session = "", ""
			c.say("(a new conversation)")
			return nil
		}},
		{"system", "[TEXT]", "show or change the system message (\"\" removes it)", (*conversation).system},
		{"set", "[NAME VALUE]", "show the settings or change one", (*conversation).set},
		{"show", "", "show the conversation", (*conversation).show},
		{"save", "NAME", "keep the conversation, with what was computed for it", (*conversation).save},
		{"load", "[NAME]", "continue a conversation; without a name, list them", (*conversation).load},
		{"delete", "NAME", "delete a saved conversation", (*conversation).remove},
		{"regen", "", "answer the last question anew", func(c *conversation, _ string) error {
			return c.interactive(func(ctx context.Context, _ string, emit dialog.Emit) error {
				return c.dialog.Again(ctx, emit)
			}, "")
		}},
		{"undo", "", "take the last question and its answer back", func(c *conversation, _ string) error {
			question, ok := c.dialog.Undo()
			if !ok {
				return errors.New("there is nothing to take back")
			}
			c.say("(taken back: %s)", shorten(question, 60))
			return nil
		}},
		{"read", "FILE", "send a file along with the next message (\"\": none)", (*conversation).read},
		{"stats", "", "show the speed of the last answer", func(c *conversation, _ string) error {
			c.say("%s", c.stats())
			return nil
		}},
		{"bye", "", "leave (/exit and /quit do, too)", func(*conversation, string) error { return errBye }},
	}
}

// chatAliases are other names of commands: those that other programs have. They
// cannot be cut short.
var chatAliases = map[string]string{"exit": "bye", "quit": "bye"}

// asCommand takes "/name args" apart. A message may begin with a slash as
// well: a path, say, has a second one in its first word.
func asCommand(text string) (name, args string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "/")
	if !ok {
		return "", "", false
	}
	name, args, _ = strings.Cut(rest, " ")
	if strings.ContainsAny(name, "/\n") {
		return "", "", false
	}
	return name, strings.TrimSpace(args), true
}

// run carries a command out. A name may be cut short as long as it is clear.
func (c *conversation) run(name, args string) error {
	var found []chatCommand
	name = cmp.Or(chatAliases[name], name)
	for _, k := range chatCommands() {
		if k.name == name {
			return k.run(c, args)
		}
		if strings.HasPrefix(k.name, name) && name != "" && k.name != "delete" { // which is not to be done by mistake
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0].run(c, args)
	case 0:
		return fmt.Errorf("there is no command /%s%s", show.Text(name), cmp.Or(didYouMean("/"+name, commandNames()), "; /help lists them"))
	}
	var names []string
	for _, k := range found {
		names = append(names, "/"+k.name)
	}
	return fmt.Errorf("/%s could be %s", name, strings.Join(names, " or "))
}

// commandNames lists the commands and their other names, with their slash.
func commandNames() (names []string) {
	for _, alias := range slices.Sorted(maps.Keys(chatAliases)) {
		names = append(names, "/"+alias)
	}
	for _, k := range chatCommands() {
		names = append(names, "/"+k.name)
	}
	return names
}

func (c *conversation) system(text string) error {
	switch text {
	case "":
		if c.dialog.System() == "" {
			c.say("(no system message)")
			return nil
		}
		c.say("%s", c.dialog.System())
		return nil
	case `""`:
		text = ""
	}
	c.dialog.SetSystem(text)
	return nil
}

func (c *conversation) show(string) error {
	if stopped, err := c.quote(c.dialog.Messages()); stopped || err != nil {
		return err
	}
	c.say("(%s, %s, model %s)", turns(c.dialog.Turns()), c.use(), show.Text(c.m.File.Name))
	return nil
}

// quote prints messages of the conversation, until Ctrl-C.
func (c *conversation) quote(messages []chat.Message) (stopped bool, err error) {
	stopped, err = c.stoppable(func(ctx context.Context) error {
		for _, m := range messages {
			if err := c.quoteOne(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if stopped {
		c.say("(stopped)")
		return true, nil
	}
	return false, err
}

func (c *conversation) quoteOne(ctx context.Context, m chat.Message) error {
	out := c.newAnswer()
	out.ctx = ctx
	err := out.write(m.Role+": ", false)
	r := chat.Reasoning{Inside: strings.Contains(m.Content, chat.ThinkEnd) && !strings.Contains(m.Content, chat.ThinkStart)}
	if err == nil && m.Role == "assistant" {
		err = r.Push(m.Content, out.write)
		err = cmp.Or(err, r.Flush(out.write))
	} else if err == nil {
		err = out.write(m.Content, false)
	}
	err = cmp.Or(err, out.end())
	fmt.Fprintln(c.out)
	return err
}

// turns is a number of turns in words.
func turns(n int) string { return english.Plural(n, "turn", "") }

// shorten cuts a text to n characters of one line.
func shorten(text string, n int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
