package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"qgo/gguf/show"
	"qgo/model/files"
)

const sessionSuffix = ".qgo-session"

// sessionTime is the form of the time at which a session was saved.
const sessionTime = "2006-01-02 15:04"

// maxSessionName is the length of a session's name in characters.
const maxSessionName = 100

// checkSessionName refuses what is no name of a file in every system, so that
// sessions stay where they belong and can be taken elsewhere.
func checkSessionName(name string) error {
	device, _, _ := strings.Cut(strings.ToUpper(name), ".")
	numbered := strings.TrimRight(device, "0123456789¹²³")
	reserved := slices.Contains([]string{"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}, strings.TrimRight(device, " ")) ||
		(numbered == "COM" || numbered == "LPT") && utf8.RuneCountInString(device) == len(numbered)+1
	why := ""
	switch {
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		why = "it has characters that cannot be shown"
	case strings.ContainsAny(name, `/\:*?"<>|`):
		why = `it has one of the characters / \ : * ? " < > |`
	case strings.HasPrefix(name, "."):
		why = "it begins with a dot"
	case strings.HasSuffix(name, ".") || strings.HasSuffix(name, " "):
		why = "it ends in a dot or a space"
	case reserved:
		why = "Windows has a device of that name"
	case utf8.RuneCountInString(name) > maxSessionName || len(name) > 2*maxSessionName:
		why = fmt.Sprintf("it is longer than %d characters", maxSessionName)
	default:
		return nil
	}
	return fmt.Errorf("%s is no name for a conversation: %s", show.Quoted(name), why)
}

// sessionPath is the file of a session.
func sessionPath(name string) (string, error) {
	if err := checkSessionName(name); err != nil {
		return "", err
	}
	dir, err := sessionDir()
	return filepath.Join(dir, name+sessionSuffix), err
}

func sessionDir() (string, error) {
	dir, err := stateDir()
	return filepath.Join(dir, "sessions"), err
}

// sessionNames lists the saved sessions that can be loaded by name.
func sessionNames() (names []string) {
	dir, err := sessionDir()
	if err != nil {
		return nil
	}
	entries, _ := os.ReadDir(dir) // none before the first is saved
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), sessionSuffix)
		if ok && e.Type().IsRegular() && checkSessionName(name) == nil {
			names = append(names, name)
		}
	}
	return names
}

func (c *conversation) save(name string) error {
	if name == "" {
		return errors.New("/save needs a name, for example /save monday")
	}
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	if name != c.session {
		if ok, err := c.mayReplace(name, path); !ok || err != nil {
			return err
		}
	}
	size, err := c.writeSession(path)
	if err != nil {
		return fmt.Errorf("the conversation could not be saved: %w", err)
	}
	c.session = name
	c.say("(saved %s, %s: /load %s continues)", turns(c.dialog.Turns()), bytesText(size), name)
	return nil
}

// mayReplace asks before another conversation is written over.
func (c *conversation) mayReplace(name, path string) (bool, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return true, nil // nothing is there, or to write will say what is wrong
	}
	if err := files.Regular(path); err != nil {
		return false, fmt.Errorf("the conversation could not be saved: %w", err)
	}
	c.say("%s is there already, %s of %s.", name, bytesText(info.Size()), info.ModTime().Format(sessionTime))
	ok, err := c.agrees("Replace it (y), or keep it (n)? ", "yes", "no")
	if err == nil && !ok {
		c.say("(nothing was saved; /save with another name keeps both)")
	}
	return ok, err
}

// writeSession writes a session, which gets its name only when it is complete.
func (c *conversation) writeSession(path string) (size int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return 0, files.Explain(filepath.Dir(path), err)
	}
	file, err := os.CreateTemp(filepath.Dir(path), "saving-*.part")
	if err != nil {
		return 0, files.Explain(filepath.Dir(path), err)
	}
	err = c.dialog.Save(file)
	size, err2 := file.Seek(0, io.SeekEnd)
	if err = errors.Join(err, err2, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name()) // the first error is the one to tell
	}
	return size, files.Explain(path, err)
}

func (c *conversation) load(name string) error {
	if name == "" {
		return c.listSessions()
	}
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	file, err := files.OpenToRead(path)
	if err != nil {
		return sessionError(name, err)
	}
	defer file.Close()
	stopped, err := c.stoppable(func(ctx context.Context) error { return c.dialog.Load(stoppableReader{ctx, file}) })
	switch {
	case stopped:
		c.say("(stopped; the conversation is as before)")
		return nil
	case err != nil:
		return fmt.Errorf("the conversation %s cannot be loaded: %w", name, err)
	}
	c.session = name
	c.say("(%s, %s)", turns(c.dialog.Turns()), c.use())
	m := c.dialog.Messages()
	_, err = c.quote(m[max(0, len(m)-1):])
	return err
}

// stoppableReader reads until ctx ends.
type stoppableReader struct {
	ctx context.Context
	r   io.Reader
}

func (r stoppableReader) Read(b []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(b)
}

// remove deletes a saved session.
func (c *conversation) remove(name string) error {
	if name == "" {
		return errors.New("/delete needs the name of a saved conversation; /load lists them")
	}
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return sessionError(name, files.Explain(path, err))
	}
	c.say("(deleted %s)", name)
	return nil
}

// sessionError says why the file of a session could not be used.
func sessionError(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no session %s%s", name, cmp.Or(didYouMean(name, sessionNames()), "; /load lists them"))
	}
	return fmt.Errorf("the session %s cannot be used: %w", name, err)
}

func (c *conversation) listSessions() error {
	names := sessionNames()
	if len(names) == 0 {
		c.say("(no saved conversations; /save NAME makes one)")
	}
	for _, name := range names {
		path, err := sessionPath(name)
		if err != nil {
			return err
		}
		if info, err := os.Stat(path); err == nil { // or it was removed meanwhile
			what := fmt.Sprintf("%8s  %s", bytesText(info.Size()), info.ModTime().Format(sessionTime))
			c.say("%s", shortEntry(name, what, terminalWidth(c.out)))
		}
	}
	return nil
}

// expandHome puts the home directory in the place of a ~ at the start.
func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	return path
}

func (c *conversation) read(path string) error {
	switch path {
	case "":
		return errors.New("/read needs the name of a file")
	case `""`:
		c.files = ""
		c.say("(no file goes with the next message)")
		return nil
	}
	text, err := readTextFile(c.cmd.Context(), expandHome(path), show.Text(path))
	if err != nil {
		return err
	}
	if err := c.m.Tokenizer.CheckWords(text); err != nil {
		return err
	}
	text = withoutLineEnd(text)
	name := filepath.Base(path)
	tokens := len(c.m.Tokenizer.Encode(nil, text, false))
	c.files += fmt.Sprintf("%s:\n%s\n", name, fenced(text))
	c.say("(%s, %d tokens, goes with the next message)", show.Text(name), tokens)
	if c.used()+tokens > c.dialog.Cap() {
		c.say("(that is more than the context of %d has room for; --ctx makes it larger)", c.dialog.Cap())
	}
	return nil
}

// fenced marks a text as a block of code, with a fence that is longer than
// those in the text, which would end it.
func fenced(text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "\n" + strings.TrimRight(text, "\n") + "\n" + fence
}
