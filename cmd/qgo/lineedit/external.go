package lineedit

import (
	"cmp"
	"os"
	"os/exec"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// edited says that the text in a file was changed with another editor.
type edited struct {
	path string
	err  error
}

// openEditor lets the user write the message with $VISUAL or $EDITOR.
func (s *state) openEditor() tea.Cmd {
	command := strings.Fields(cmp.Or(os.Getenv("VISUAL"), os.Getenv("EDITOR"), "vi"))
	file, err := os.CreateTemp("", "qgo-*.md")
	if err != nil {
		s.notice = err.Error()
		return nil
	}
	_, err = file.WriteString(s.pastes.expand(s.area.text()))
	if err2 := file.Close(); err == nil {
		err = err2
	}
	if err != nil {
		os.Remove(file.Name())
		s.notice = err.Error()
		return nil
	}
	return tea.ExecProcess(exec.Command(command[0], append(command[1:], file.Name())...), func(err error) tea.Msg {
		return edited{file.Name(), err}
	})
}

// replace takes the text from the editor's file, if the editor succeeded.
func (s *state) replace(e edited) {
	defer os.Remove(e.path)
	if e.err != nil {
		s.notice = "the editor failed: " + e.err.Error() + " ($VISUAL and $EDITOR say which one it is)"
		return
	}
	b, err := os.ReadFile(e.path)
	if err != nil {
		s.notice = err.Error()
		return
	}
	s.area.set(s.pastes.fold(strings.TrimRight(string(b), "\n")))
}
