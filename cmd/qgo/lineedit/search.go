package lineedit

import (
	"strings"

	tea "charm.land/bubbletea/v2"
)

// search is a search through the history, newest message first, as Ctrl-R
// begins one. Every letter looks for an older message if the one that is shown
// does not have the text.
type search struct {
	text   string
	at     int    // the entry that is shown; len(entries) for none
	failed bool   // no older entry has the text
	before string // the message before the search
}

func (s *state) beginSearch() {
	s.search = &search{at: len(s.entries), before: s.area.text()}
	s.look(len(s.entries) - 1)
}

// look shows the newest entry from i back that has the text.
func (s *state) look(i int) {
	f := s.search
	f.failed = f.text != ""
	for ; i >= 0 && f.text != ""; i-- {
		if containsFold(s.entries[i], f.text) {
			f.at, f.failed = i, false
			s.area.set(s.pastes.fold(s.entries[i]))
			break
		}
	}
	s.notice = "search: " + f.text
	if f.failed {
		s.notice = "not found: " + f.text
	}
}

// containsFold is strings.Contains without regard to case, unless text has
// capital letters.
func containsFold(entry, text string) bool {
	if strings.ToLower(text) == text {
		entry = strings.ToLower(entry)
	}
	return strings.Contains(entry, text)
}

// searchKey takes a key during a search. If it returns true, the search goes
// on or was given up; any other key ends it, keeps what was found and does what
// it does elsewhere.
func (s *state) searchKey(k tea.KeyPressMsg) bool {
	f := s.search
	switch name := k.String(); {
	case name == "ctrl+r":
		s.look(f.at - 1)
	case name == "ctrl+g" || name == "ctrl+c" || name == "esc":
		s.area.set(f.before)
		s.search = nil
	case name == "backspace" || name == "ctrl+h":
		if list := clusters(f.text); len(list) > 0 {
			f.text = strings.Join(list[:len(list)-1], "")
		}
		f.at = len(s.entries)
		s.area.set(f.before)
		s.look(f.at - 1)
	case k.Text != "":
		f.text += k.Text
		if s.look(min(f.at, len(s.entries)-1)); f.failed {
			f.at = len(s.entries)
			s.area.set(f.before) // Enter must not send what does not have the text
		}
	default:
		if f.at < len(s.entries) {
			s.draft, s.at = f.before, f.at
		}
		s.search = nil
		return false
	}
	return true
}
