package lineedit

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"

	tea "charm.land/bubbletea/v2"

	"qgo/gguf/show"
	"qgo/model/files"
)

// otherEditor is a program that changes the message, which is in a file
// meanwhile.
type otherEditor struct{ file atomic.Pointer[string] }

func (o *otherEditor) open() bool { return o.file.Load() != nil }

// close removes the file. It may be called at any time.
func (o *otherEditor) close() {
	if path := o.file.Swap(nil); path != nil {
		_ = os.Remove(*path) // an editor may have done it
	}
}

// edited says that the text in a file was changed with another editor.
type edited struct {
	path string
	err  error
}

// editorCommand is what $VISUAL or $EDITOR says, with its arguments.
func editorCommand() []string {
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if command := strings.Fields(os.Getenv(name)); len(command) > 0 {
			return command
		}
	}
	return []string{"vi"}
}

// whichEditor says where the editor's name is from.
const whichEditor = "$VISUAL and $EDITOR say which one it is"

// openEditor lets the user write the message with $VISUAL or $EDITOR.
func (s *state) openEditor() tea.Cmd {
	command := editorCommand()
	if _, err := exec.LookPath(command[0]); err != nil {
		s.notice = fmt.Sprintf("there is no editor %s (%s)", show.Quoted(command[0]), whichEditor)
		return nil
	}
	path, err := s.writeText()
	if err != nil {
		s.notice = fmt.Sprintf("there is no place for the editor's file: %v", err)
		return nil
	}
	return tea.ExecProcess(exec.Command(command[0], append(command[1:], path)...), func(err error) tea.Msg {
		return edited{path, files.Explain(show.Text(command[0]), err)}
	})
}

// writeText writes the message to the editor's file.
func (s *state) writeText() (path string, err error) {
	file, err := os.CreateTemp("", "qgo-*.md")
	if err != nil {
		return "", files.Explain(os.TempDir(), err)
	}
	path = file.Name()
	s.other.file.Store(&path)
	_, err = file.WriteString(s.pastes.expand(s.area.text()))
	if err2 := file.Close(); err == nil {
		err = err2
	}
	if err != nil {
		s.other.close()
	}
	return path, files.Explain(path, err)
}

// replace takes the text from the editor's file, if the editor succeeded.
func (s *state) replace(e edited) {
	defer s.other.close()
	if e.err != nil {
		s.notice = "the editor failed: " + e.err.Error() + " (" + whichEditor + ")"
		return
	}
	b, err := os.ReadFile(e.path)
	if err != nil {
		s.notice = files.Explain(e.path, err).Error()
		return
	}
	s.area.set(s.pastes.fold(strings.TrimRight(string(b), "\n")))
}
