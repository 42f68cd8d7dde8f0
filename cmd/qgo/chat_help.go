package main

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// chatKeys are the keys of the editor, as /help lists them.
var chatKeys = [][2]string{
	{"Enter", "send the message"},
	{"Alt-Enter, Ctrl-J", "begin a new line, as \\ before Enter does; \"\"\" around it makes a message of several lines"},
	{"Up, Down", "earlier messages; Ctrl-R searches them"},
	{"Tab", "complete commands and names"},
	{"Ctrl-_", "undo"},
	{"Ctrl-L", "clear the screen"},
	{"Ctrl-X", "write the message in $EDITOR"},
	{"Ctrl-C", "stop the answer, or delete what is typed"},
	{"Ctrl-D", "leave"},
}

func (c *conversation) help(string) error {
	width := terminalWidth(c.out)
	for _, k := range chatCommands() {
		c.say("%s", entry("/"+strings.TrimSpace(k.name+" "+k.args), k.help, width))
	}
	c.say("")
	for _, k := range chatKeys {
		c.say("%s", entry(k[0], k[1], width))
	}
	return nil
}

// shortEntry is [entry], but on one line if that fits a narrow terminal as well.
func shortEntry(what, text string, width int) string {
	if line := entry(what, text, wide); ansi.StringWidth(line) <= width && !strings.Contains(line, "\n") {
		return line
	}
	return entry(what, text, width)
}

// wide is the number of columns from which lists have two.
const wide = 60

// entry is a line of a list for a terminal of that width: what is explained and,
// in a column of its own, the explanation. In a narrow one it is below.
func entry(what, text string, width int) string {
	const column = 20
	indent, first := column, fmt.Sprintf("  %-*s", column-2, what)
	if width < wide {
		indent, first = 6, "  "+what+"\n      "
	}
	lines := (&wordWrap{width: func() int { return max(width-indent, 10) }, prose: true, held: text}).take(true)
	return first + strings.ReplaceAll(lines, "\n", "\n"+strings.Repeat(" ", indent))
}
