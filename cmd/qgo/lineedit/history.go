package lineedit

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"qgo/model/files"
)

// Bounds of a history.
const (
	maxEntries    = 1000
	maxEntryBytes = 1 << 16
)

// History is the messages of this and earlier runs, in a file of one JSON
// string a line. Several programs may add to it at once.
type History struct {
	path    string
	entries []string // oldest first
}

// OpenHistory reads a history; without a path it is kept in memory only, and so
// is one whose file cannot be read, for which there is an error as well. A file
// that is not there is an empty one, and lines that are damaged are left out.
func OpenHistory(path string) (*History, error) {
	if path == "" {
		return &History{}, nil
	}
	h := &History{path: path}
	file, err := files.OpenToRead(path)
	if errors.Is(err, fs.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return &History{}, err
	}
	defer file.Close()
	lines := 0
	in := bufio.NewScanner(file)
	in.Buffer(nil, 8*maxEntryBytes)
	for in.Scan() {
		lines++
		var text string
		if json.Unmarshal(in.Bytes(), &text) == nil && text != "" {
			h.keep(text)
		}
	}
	if lines > 2*maxEntries || in.Err() != nil {
		h.rewrite()
	}
	return h, nil
}

// Entries returns the messages, oldest first.
func (h *History) Entries() []string { return slices.Clone(h.entries) }

// keep appends text as the latest message, unless it is that already.
func (h *History) keep(text string) bool {
	if n := len(h.entries); n > 0 && h.entries[n-1] == text {
		return false
	}
	h.entries = append(h.entries, text)
	if len(h.entries) > maxEntries {
		h.entries = h.entries[1:]
	}
	return true
}

// Add appends a message. One that is empty or the same as before is left out,
// and a very long one is not written to the file: but it can be sent again.
func (h *History) Add(text string) {
	if strings.TrimSpace(text) == "" || !h.keep(text) || h.path == "" || len(text) > maxEntryBytes {
		return
	}
	line, err := json.Marshal(text)
	if err != nil || os.MkdirAll(filepath.Dir(h.path), 0o700) != nil || files.Regular(h.path) != nil {
		return
	}
	file, err := os.OpenFile(h.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	_, _ = file.Write(append(line, '\n')) // a history is not worth an error
	_ = file.Close()
}

// rewrite makes the file as short as it should be.
func (h *History) rewrite() {
	var b strings.Builder
	for _, text := range h.entries {
		line, err := json.Marshal(text)
		if err != nil {
			return
		}
		b.Write(line)
		b.WriteByte('\n')
	}
	tmp := h.path + ".part"
	if files.Regular(tmp) == nil && os.WriteFile(tmp, []byte(b.String()), 0o600) == nil {
		_ = os.Rename(tmp, h.path)
	}
}
