package sample

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// StopMatcher ends a stream of text at the first of some stop strings. It holds
// back what could still become one, and bytes that are not yet a whole UTF-8
// sequence; all other text it lets through at once.
//
// First is the stop string that ends first in the text (of those, the longest),
// so that the result does not depend on how the text is cut into pieces.
type StopMatcher struct {
	stops   []string
	held    string
	stopped string
}

// NewStopMatcher returns a matcher for these stop strings; with none it only
// keeps UTF-8 sequences whole. An empty stop string, or one that is not UTF-8,
// is an error.
func NewStopMatcher(stops ...string) (*StopMatcher, error) {
	for i, s := range stops {
		if s == "" || !utf8.ValidString(s) {
			return nil, fmt.Errorf("stop string %d is %q: want UTF-8 text that is not empty", i, s)
		}
	}
	return &StopMatcher{stops: append([]string(nil), stops...)}, nil
}

// Push takes the next piece of the text and returns what can be shown now.
// After stopped, the stop string and all text behind it are gone, and later
// pieces are ignored.
func (m *StopMatcher) Push(piece string) (text string, stopped bool) {
	if m.stopped != "" {
		return "", true
	}
	m.held += piece
	start, end := -1, len(m.held)+1
	for _, s := range m.stops {
		if i := strings.Index(m.held, s); i >= 0 {
			if e := i + len(s); e < end || e == end && i < start {
				start, end, m.stopped = i, e, s
			}
		}
	}
	if start >= 0 {
		text, m.held = m.held[:start], ""
		return text, true
	}
	n := len(m.held) - max(m.partialStop(), partialRune(m.held))
	text, m.held = m.held[:n], m.held[n:]
	return text, false
}

// Flush returns the text still held back, for when no more comes. A UTF-8
// sequence cut short becomes U+FFFD.
func (m *StopMatcher) Flush() string {
	text := m.held
	m.held = ""
	if n := partialRune(text); n > 0 {
		return text[:len(text)-n] + string(utf8.RuneError)
	}
	return text
}

// Stop returns the stop string that ended the text, or "" if none has.
func (m *StopMatcher) Stop() string { return m.stopped }

// partialStop returns the length of the longest end of the held text that a
// stop string begins with.
func (m *StopMatcher) partialStop() int {
	longest := 0
	for _, s := range m.stops {
		for n := min(len(s)-1, len(m.held)); n > longest; n-- {
			if strings.HasSuffix(m.held, s[:n]) {
				longest = n
			}
		}
	}
	return longest
}

// partialRune returns the length of a UTF-8 sequence that s ends with but does
// not complete, 0 to 3.
func partialRune(s string) int {
	for n := 1; n < utf8.UTFMax && n <= len(s); n++ {
		if tail := s[len(s)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRuneInString(tail) {
				return 0
			}
			return n
		}
	}
	return 0
}
