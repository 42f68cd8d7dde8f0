package lineedit

import (
	"fmt"
	"strings"
	"testing"
)

// show is the text with a bar at the cursor.
func (a *area) show() string {
	return strings.Join(a.cells[:a.cursor], "") + "|" + strings.Join(a.cells[a.cursor:], "")
}

func TestAreaKeys(t *testing.T) {
	for _, c := range []struct{ text, keys, want string }{
		{"one two", "ctrl+w", "one |"},
		{"one two", "ctrl+w ctrl+w ctrl+y", "one |"},
		{"one two", "alt+b alt+d", "one |"},
		{"one two", "alt+b ctrl+k ctrl+a ctrl+y", "two|one "},
		{"one two", "ctrl+a alt+f", "one| two"},
		{"one two", "alt+left alt+left alt+left right", "o|ne two"},
		{"a\nbcd", "ctrl+u", "a\n|"},
		{"a\nbcd", "home left", "a|\nbcd"},
		{"a\nbcd", "home left backspace end", "|\nbcd"},
		{"a\nbcd", "alt+< end", "a|\nbcd"},
		{"a\nbcd", "ctrl+home delete delete", "|bcd"},
		{"a\nbcd", "up", "a|\nbcd"},
		{"abc\nd\nefg", "up up", "a|bc\nd\nefg"},
		{"abc\nd", "up down", "abc\nd|"},
		{"", "left right home end up down backspace delete ctrl+w alt+d ctrl+k", "|"},
		{"e\u0301x", "left backspace", "|x"}, // e and a combining accent are one
		{"👩‍👩‍👧x", "backspace backspace", "|"},
		{"日本語", "left backspace", "日|語"},
	} {
		a := area{width: 20}
		a.set(c.text)
		for _, k := range strings.Fields(c.keys) {
			if !a.key(k) {
				t.Fatalf("no key %s", k)
			}
		}
		if got := a.show(); got != c.want {
			t.Errorf("%q and %s: %q, want %q", c.text, c.keys, got, c.want)
		}
	}
	a := area{width: 20}
	for _, s := range []string{"a", "e", "\u0301", "b"} { // typed one after the other
		a.insert(s)
	}
	if len(a.cells) != 3 {
		t.Errorf("%d cells in %q, want 3", len(a.cells), a.text())
	}
}

// TestAreaView breaks lines where the terminal ends.
func TestAreaView(t *testing.T) {
	for _, c := range []struct {
		text          string
		width, height int
		rows          string
		row, column   int
	}{
		{"", 5, 3, "", 0, 0},
		{"abc", 5, 3, "abc", 0, 3},
		{"abcde", 5, 3, "abcde/", 1, 0}, // a place for the cursor
		{"abcdef\nx", 5, 3, "abcde/f/x", 2, 1},
		{"日本語", 5, 3, "日本/語", 1, 2},
		{"1\n2\n3\n4\n5", 5, 3, "3/4/5", 2, 1},
		{"a日", 1, 3, "a/日/", 2, 0}, // wider than the terminal
	} {
		a := area{width: c.width}
		a.set(c.text)
		rows, row, column := a.view(c.height)
		if got := strings.Join(rows, "/"); got != c.rows || row != c.row || column != c.column {
			t.Errorf("%q in %d columns: %q with the cursor at %d, %d; want %q, %d, %d", c.text, c.width, got, row, column, c.rows, c.row, c.column)
		}
	}
	// Up and down through rows of one line, and to shorter ones.
	a := area{width: 4}
	a.set("abcdefghij\nk")
	var places []string
	for range 4 {
		places = append(places, fmt.Sprint(a.cursor))
		a.vertical(-1)
	}
	if got := strings.Join(places, " "); got != "12 9 5 1" {
		t.Errorf("going up: %s", got)
	}
	if !a.first() || a.last() {
		t.Error("the cursor is not in the first row")
	}
}
