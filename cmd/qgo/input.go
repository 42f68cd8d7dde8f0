package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"unicode/utf8"

	"qgo/model/files"
)

// maxTextBytes bounds a text that is to be sent to a model: more tokens than
// any context holds.
const maxTextBytes = 8_000_000

// readUTF8 reads all of r, a text that a user wants to send. The mark of UTF-8
// at its start is not part of it. what names r in errors. It returns when ctx
// ends, even if r never delivers.
func readUTF8(ctx context.Context, r io.Reader, what string) (string, error) {
	type result struct {
		text string
		err  error
	}
	read := make(chan result, 1)
	go func() {
		text, err := readAll(r, maxTextBytes+1)
		read <- result{text, err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-read:
		switch {
		case errors.Is(got.err, fs.ErrClosed) || errors.Is(got.err, syscall.EBADF):
			return "", nil // a standard input that is closed is none
		case got.err != nil:
			return "", fmt.Errorf("%s cannot be read: %w", what, files.Reason(got.err))
		case len(got.text) > maxTextBytes:
			return "", fmt.Errorf("%s is larger than %s; choose a part of it", what, bytesText(maxTextBytes))
		}
		return asUTF8(got.text, what)
	}
}

// readAll reads r to its end, or most bytes of it.
func readAll(r io.Reader, most int) (string, error) {
	// Room for all of it at once: pages that nothing is written to take no
	// memory, while text that grows leaves several copies of itself behind.
	var b strings.Builder
	b.Grow(most)
	_, err := io.Copy(&b, io.LimitReader(r, int64(most)))
	return b.String(), err
}

// asUTF8 returns a text without the mark at its start, or says which encoding
// it is in.
func asUTF8(text, what string) (string, error) {
	if name := utf16Name(text); name != "" {
		return "", fmt.Errorf("%s is in %s; convert it to UTF-8 (iconv -f %s -t UTF-8)", what, name, name)
	}
	if i := strings.IndexByte(text, 0); i >= 0 {
		return "", fmt.Errorf("%s is no text: byte %d is zero", what, i)
	}
	text = strings.TrimPrefix(text, "\ufeff")
	if !utf8.ValidString(text) {
		i := 0
		for i < len(text) {
			r, n := utf8.DecodeRuneInString(text[i:])
			if r == utf8.RuneError && n == 1 {
				break
			}
			i += n
		}
		return "", fmt.Errorf("%s is not in UTF-8: line %d has the byte %#x; if it is in Latin-1, convert it (iconv -f ISO-8859-1 -t UTF-8)",
			what, 1+strings.Count(text[:i], "\n"), text[i])
	}
	return text, nil
}

// withoutLineEnd returns a text without the end of its last line, which
// programs and editors put there and nobody means to send.
func withoutLineEnd(text string) string {
	return strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
}

// utf16Name returns the name of the kind of UTF-16 that a text is in, "" if it
// is not. Without the mark at its start it is known by its zeros, of which there
// are several: nearly every text has many characters below U+0100, spaces at
// least.
func utf16Name(text string) string {
	switch {
	case strings.HasPrefix(text, "\xff\xfe"):
		return "UTF-16LE"
	case strings.HasPrefix(text, "\xfe\xff"):
		return "UTF-16BE"
	}
	var zeros [2]int // at even and odd places
	for i := range len(text) {
		if text[i] == 0 {
			zeros[i%2]++
		}
	}
	if len(text)%2 != 0 {
		return ""
	}
	switch few := max(len(text)/10, 1); {
	case zeros[1] > few && zeros[0] <= zeros[1]/10:
		return "UTF-16LE"
	case zeros[0] > few && zeros[1] <= zeros[0]/10:
		return "UTF-16BE"
	}
	return ""
}

// readTextFile is [readUTF8] of a file. Only regular files are opened: opening
// a pipe would wait for its other end.
func readTextFile(ctx context.Context, path, what string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s cannot be read: %w", what, files.Reason(err))
	case info.IsDir():
		return "", fmt.Errorf("%s is a directory", what)
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("%s is no regular file", what)
	}
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be read: %w", what, files.Reason(err))
	}
	defer file.Close()
	return readUTF8(ctx, file, what)
}
