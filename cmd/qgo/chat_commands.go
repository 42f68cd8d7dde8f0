package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
	"qgo/model/chat"
	"qgo/model/sample"
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
			c.files = ""
			c.say("(a new conversation)")
			return nil
		}},
		{"system", "[TEXT]", "show or change the system message (\"\" removes it)", (*conversation).system},
		{"set", "[NAME VALUE]", "show the settings or change one", (*conversation).set},
		{"show", "", "show the conversation", (*conversation).show},
		{"save", "NAME", "keep the conversation, with what was computed for it", (*conversation).save},
		{"load", "[NAME]", "continue a conversation; without a name, list them", (*conversation).load},
		{"regen", "", "answer the last question anew", func(c *conversation, _ string) error {
			return c.interactive(func(ctx context.Context, _ string, emit func(string) error) error {
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
		{"read", "FILE", "send a file along with the next message", (*conversation).read},
		{"stats", "", "show the speed of the last answer", func(c *conversation, _ string) error {
			c.say("%s", c.stats())
			return nil
		}},
		{"bye", "", "leave", func(*conversation, string) error { return errBye }},
	}
}

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
	for _, k := range chatCommands() {
		if k.name == name {
			return k.run(c, args)
		}
		if strings.HasPrefix(k.name, name) && name != "" {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 1:
		return found[0].run(c, args)
	case 0:
		return fmt.Errorf("there is no command /%s; /help lists them", show.Text(name))
	}
	var names []string
	for _, k := range found {
		names = append(names, "/"+k.name)
	}
	return fmt.Errorf("/%s could be %s", name, strings.Join(names, " or "))
}

// completeCommand is for [lineedit.Editor].
func completeCommand(text string) (list []string) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil
	}
	if before, value, ok := strings.Cut(rest, " "); ok {
		if before != "set" || strings.Contains(value, " ") {
			return nil
		}
		for _, s := range settings() {
			if strings.HasPrefix(s.name, value) {
				list = append(list, "/set "+s.name+" ")
			}
		}
		return list
	}
	for _, k := range chatCommands() {
		if strings.HasPrefix(k.name, rest) {
			text := "/" + k.name
			if k.args != "" {
				text += " "
			}
			list = append(list, text)
		}
	}
	return list
}

func (c *conversation) help(string) error {
	for _, k := range chatCommands() {
		c.say("  %-20s %s", "/"+strings.TrimSpace(k.name+" "+k.args), k.help)
	}
	c.say(`
Enter sends a message; Alt-Enter, Ctrl-J, or \ before Enter begin a new line,
and """ around it makes a message of several lines. Ctrl-X opens $EDITOR. The
arrows go through earlier messages, Tab completes commands. Ctrl-C stops an
answer, Ctrl-D leaves.`)
	return nil
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
	for _, m := range c.dialog.Messages() {
		if err := c.quote(m); err != nil {
			return err
		}
	}
	c.say("(%s, %d of %d tokens of context used, model %s)", turns(c.dialog.Turns()), c.dialog.Len(), c.dialog.Cap(), c.m.File.Name)
	return nil
}

// quote prints a message of the conversation.
func (c *conversation) quote(m chat.Message) error {
	out, end := c.answerWriter()
	fmt.Fprintf(out, "%s: %s", m.Role, m.Content)
	err := end()
	fmt.Fprintln(c.out)
	return err
}

// turns is a number of turns in words.
func turns(n int) string { return english.Plural(n, "turn", "") }

// setting is what /set changes.
type setting struct {
	name string
	get  func(c *conversation) any
	set  func(c *conversation, value string) error
}

func number[T any](parse func(string) (T, error), at func(p *sample.Params) *T, name string) setting {
	return setting{name, func(c *conversation) any { return *at(&c.dialog.Generation.Sampling) }, func(c *conversation, value string) error {
		v, err := parse(value)
		if err != nil {
			return fmt.Errorf("%q is no number", value)
		}
		p := c.dialog.Generation.Sampling
		*at(&p) = v
		if err := p.Validate(c.m.Vocab); err != nil {
			return err
		}
		c.dialog.Generation.Sampling = p
		return nil
	}}
}

func settings() []setting {
	float := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	seed := func(s string) (uint64, error) { return strconv.ParseUint(s, 10, 64) }
	return []setting{
		number(float, func(p *sample.Params) *float64 { return &p.Temperature }, "temp"),
		number(strconv.Atoi, func(p *sample.Params) *int { return &p.TopK }, "top-k"),
		number(float, func(p *sample.Params) *float64 { return &p.TopP }, "top-p"),
		number(float, func(p *sample.Params) *float64 { return &p.MinP }, "min-p"),
		number(float, func(p *sample.Params) *float64 { return &p.RepeatPenalty }, "repeat-penalty"),
		number(seed, func(p *sample.Params) *uint64 { return &p.Seed }, "seed"),
		{"max-tokens", func(c *conversation) any { return c.dialog.Generation.MaxTokens }, func(c *conversation, value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return fmt.Errorf("%q is no number of tokens; choose 0 or more", value)
			}
			c.dialog.Generation.MaxTokens = n
			return nil
		}},
		{"verbose", func(c *conversation) any { return c.verbose }, func(c *conversation, value string) error {
			v, err := strconv.ParseBool(strings.NewReplacer("on", "true", "off", "false").Replace(value))
			if err != nil {
				return fmt.Errorf("%q: choose on or off", value)
			}
			c.verbose = v
			return nil
		}},
	}
}

func (c *conversation) set(args string) error {
	name, value, _ := strings.Cut(args, " ")
	all := settings()
	if name == "" {
		for _, s := range all {
			c.say("  %-16s %v", s.name, s.get(c))
		}
		return nil
	}
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == strings.TrimPrefix(name, "--") })
	if i < 0 {
		return fmt.Errorf("there is no setting %s; /set lists them", show.Text(name))
	}
	if value = strings.TrimSpace(value); value == "" {
		c.say("  %-16s %v", all[i].name, all[i].get(c))
		return nil
	}
	return all[i].set(c, value)
}

// shorten cuts a text to n characters of one line.
func shorten(text string, n int) string {
	r := []rune(strings.Join(strings.Fields(text), " "))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}
