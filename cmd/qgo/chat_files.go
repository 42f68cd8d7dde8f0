package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

const sessionSuffix = ".qgo-session"

// sessionPath is the file of a session: of that name where sessions are kept,
// unless the name is a path.
func sessionPath(name string) (string, error) {
	if strings.ContainsAny(name, `/\`) || strings.HasSuffix(name, sessionSuffix) {
		return name, nil
	}
	dir, err := stateDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "sessions", name+sessionSuffix), nil
}

func (c *conversation) save(name string) error {
	if name == "" {
		return errors.New("/save needs a name, for example /save monday")
	}
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	err = c.dialog.Save(file)
	size, err2 := file.Seek(0, io.SeekEnd)
	if err = errors.Join(err, err2, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("the conversation could not be saved: %w", err), os.Remove(file.Name()))
	}
	c.say("(saved %s, %s: /load %s continues)", turns(c.dialog.Turns()), bytesText(size), name)
	return nil
}

func (c *conversation) load(name string) error {
	if name == "" {
		return c.listSessions()
	}
	path, err := sessionPath(name)
	if err != nil {
		return err
	}
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("there is no session %s; /load lists them", name)
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if err := c.dialog.Load(file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	c.say("(%s, %d of %d tokens of context used)", turns(c.dialog.Turns()), c.dialog.Len(), c.dialog.Cap())
	if m := c.dialog.Messages(); len(m) > 0 {
		return c.quote(m[len(m)-1])
	}
	return nil
}

func (c *conversation) listSessions() error {
	dir, err := stateDir()
	if err != nil {
		return err
	}
	list, err := filepath.Glob(filepath.Join(dir, "sessions", "*"+sessionSuffix))
	if err != nil {
		return err
	}
	if len(list) == 0 {
		c.say("(no saved sessions; /save NAME makes one)")
	}
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			continue // removed meanwhile
		}
		c.say("  %-20s %8s  %s", strings.TrimSuffix(filepath.Base(path), sessionSuffix), bytesText(info.Size()), info.ModTime().Format("2006-01-02 15:04"))
	}
	return nil
}

// maxReadBytes bounds what /read takes: more tokens than any context holds.
const maxReadBytes = 8 << 20

func (c *conversation) read(path string) error {
	if path == "" {
		return errors.New("/read needs the name of a file")
	}
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			path = filepath.Join(home, rest)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	b, err := io.ReadAll(io.LimitReader(file, maxReadBytes+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxReadBytes:
		return fmt.Errorf("%s is larger than %s; choose a part of it", path, bytesText(maxReadBytes))
	case !utf8.Valid(b):
		return fmt.Errorf("%s is not UTF-8 text", path)
	}
	tokens := len(c.m.Tokenizer.Encode(nil, string(b), false))
	c.files += fmt.Sprintf("%s:\n```\n%s\n```\n", filepath.Base(path), strings.TrimRight(string(b), "\n"))
	c.say("(%s, %d tokens, goes with the next message)", filepath.Base(path), tokens)
	if c.dialog.Len()+tokens > c.dialog.Cap() {
		c.say("(that is more than the context of %d has room for; --ctx makes it larger)", c.dialog.Cap())
	}
	return nil
}
