package lineedit

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
	"github.com/rivo/uniseg"
)

// area is a text with a cursor. Its units are grapheme clusters, what a reader
// takes for one character, so that none is ever cut in two.
type area struct {
	cells  []string // "\n" ends a line
	cursor int      // the cell that it is before
	killed string   // what Ctrl-K, Ctrl-U, Ctrl-W and Alt-D took last
	width  int      // columns of a row
}

func clusters(text string) (list []string) {
	for g := uniseg.NewGraphemes(text); g.Next(); {
		list = append(list, g.Str())
	}
	return list
}

func (a *area) text() string { return strings.Join(a.cells, "") }

// set replaces the text and goes to its end.
func (a *area) set(text string) {
	a.cells = clusters(text)
	a.cursor = len(a.cells)
}

// insert puts text before the cursor. It may complete the cluster there, as an
// accent does.
func (a *area) insert(text string) {
	before := clusters(strings.Join(a.cells[:a.cursor], "") + text)
	a.cells = append(before[:len(before):len(before)], a.cells[a.cursor:]...)
	a.cursor = len(before)
}

// cut removes the cells from i to j and returns their text.
func (a *area) cut(i, j int) string {
	text := strings.Join(a.cells[i:j], "")
	a.cells = append(a.cells[:i:i], a.cells[j:]...)
	a.cursor = i
	return text
}

// lineStart and lineEnd are the ends of the cursor's line.
func (a *area) lineStart() int {
	i := a.cursor
	for i > 0 && a.cells[i-1] != "\n" {
		i--
	}
	return i
}

func (a *area) lineEnd() int {
	i := a.cursor
	for i < len(a.cells) && a.cells[i] != "\n" {
		i++
	}
	return i
}

func isWord(cell string) bool {
	for _, r := range cell {
		return unicode.IsLetter(r) || unicode.IsNumber(r) || r == '_'
	}
	return false
}

// wordStart is where the word before the cursor begins, wordEnd where that
// after it ends.
func (a *area) wordStart() int {
	i := a.cursor
	for i > 0 && !isWord(a.cells[i-1]) {
		i--
	}
	for i > 0 && isWord(a.cells[i-1]) {
		i--
	}
	return i
}

func (a *area) wordEnd() int {
	i := a.cursor
	for i < len(a.cells) && !isWord(a.cells[i]) {
		i++
	}
	for i < len(a.cells) && isWord(a.cells[i]) {
		i++
	}
	return i
}

// key does what a key of Emacs and readline does, and reports whether it is
// one.
func (a *area) key(name string) bool {
	switch name {
	case "left", "ctrl+b":
		a.cursor = max(a.cursor-1, 0)
	case "right", "ctrl+f":
		a.cursor = min(a.cursor+1, len(a.cells))
	case "home", "ctrl+a":
		a.cursor = a.lineStart()
	case "end", "ctrl+e":
		a.cursor = a.lineEnd()
	case "alt+left", "ctrl+left", "alt+b":
		a.cursor = a.wordStart()
	case "alt+right", "ctrl+right", "alt+f":
		a.cursor = a.wordEnd()
	case "alt+<", "ctrl+home":
		a.cursor = 0
	case "alt+>", "ctrl+end":
		a.cursor = len(a.cells)
	case "backspace", "ctrl+h":
		a.cut(max(a.cursor-1, 0), a.cursor)
	case "delete", "ctrl+d":
		a.cut(a.cursor, min(a.cursor+1, len(a.cells)))
	case "ctrl+w", "alt+backspace":
		a.killed = a.cut(a.wordStart(), a.cursor)
	case "alt+d":
		a.killed = a.cut(a.cursor, a.wordEnd())
	case "ctrl+u":
		a.killed = a.cut(a.lineStart(), a.cursor)
	case "ctrl+k":
		a.killed = a.cut(a.cursor, a.lineEnd())
	case "ctrl+y":
		a.insert(a.killed)
	case "up", "ctrl+p":
		a.vertical(-1)
	case "down", "ctrl+n":
		a.vertical(1)
	default:
		return false
	}
	return true
}

// rows returns the numbers of the cells that the rows on the screen begin
// with: lines are broken where they reach the width.
func (a *area) rows() []int {
	starts, column := []int{0}, 0
	for i, c := range a.cells {
		if c == "\n" {
			starts, column = append(starts, i+1), 0
			continue
		}
		w := ansi.StringWidth(c)
		if column+w > max(a.width, 2) {
			starts, column = append(starts, i), 0
		}
		column += w
	}
	if column >= max(a.width, 2) { // the cursor needs a place
		starts = append(starts, len(a.cells))
	}
	return starts
}

// row returns the row and the column of the cursor.
func (a *area) row(starts []int) (row, column int) {
	for row+1 < len(starts) && starts[row+1] <= a.cursor {
		row++
	}
	return row, ansi.StringWidth(strings.Join(a.cells[starts[row]:a.cursor], ""))
}

// first and last report whether the cursor is in the first or last row.
func (a *area) first() bool { row, _ := a.row(a.rows()); return row == 0 }
func (a *area) last() bool {
	starts := a.rows()
	row, _ := a.row(starts)
	return row == len(starts)-1
}

// vertical moves the cursor by rows, to about the same column.
func (a *area) vertical(by int) {
	starts := a.rows()
	row, column := a.row(starts)
	if row += by; row < 0 || row >= len(starts) {
		return
	}
	end := len(a.cells)
	if row+1 < len(starts) {
		end = starts[row+1] - 1 // before the newline, or the last cell of the row
	}
	a.cursor = starts[row]
	for w := 0; a.cursor < end && w+ansi.StringWidth(a.cells[a.cursor]) <= column; a.cursor++ {
		w += ansi.StringWidth(a.cells[a.cursor])
	}
}

// view returns up to height rows around the cursor, and its place in them.
func (a *area) view(height int) (rows []string, row, column int) {
	starts := a.rows()
	row, column = a.row(starts)
	top := max(min(row-height/2, len(starts)-height), 0)
	for i := top; i < min(top+height, len(starts)); i++ {
		end := len(a.cells)
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		rows = append(rows, strings.TrimSuffix(strings.Join(a.cells[starts[i]:end], ""), "\n"))
	}
	return rows, row - top, column
}
