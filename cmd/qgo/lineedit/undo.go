package lineedit

// snapshot is a message as it once was.
type snapshot struct {
	text   string
	cursor int
}

// maxUndo bounds the changes that can be undone.
const maxUndo = 1000

func (s *state) snapshot() snapshot { return snapshot{s.area.text(), s.area.cursor} }

// changed remembers how the message was before a change, if there was one. The
// letters of a word are one change.
func (s *state) changed(before snapshot, letter bool) {
	if s.area.text() == before.text {
		if s.area.cursor != before.cursor {
			s.typing = false
		}
		return
	}
	if !(letter && s.typing) {
		if s.past = append(s.past, before); len(s.past) > maxUndo {
			s.past = s.past[1:]
		}
	}
	s.typing = letter
}

// undo takes the latest change back.
func (s *state) undo() {
	n := len(s.past) - 1
	if n < 0 {
		s.notice = "there is nothing to undo"
		return
	}
	s.area.set(s.past[n].text)
	s.area.cursor = min(s.past[n].cursor, len(s.area.cells))
	s.past, s.typing = s.past[:n], false
}
