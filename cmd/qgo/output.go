package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"qgo/gguf/show"
)

// output is the standard output. It remembers the first error, so that none
// is lost where a command does not look at what writing returns.
type output struct {
	to  io.Writer
	err error
}

// Write implements [io.Writer].
func (o *output) Write(b []byte) (int, error) {
	n, err := o.to.Write(b)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// Fd is the descriptor of the file behind it, for those who ask whether it is
// a terminal; an invalid one if it is no file.
func (o *output) Fd() uintptr {
	if f := fileOf(o); f != nil {
		return f.Fd()
	}
	return ^uintptr(0)
}

// fileOf returns the file behind a command's output, or nil.
func fileOf(out io.Writer) *os.File {
	if o, ok := out.(*output); ok {
		out = o.to
	}
	f, _ := out.(*os.File)
	return f
}

// closed reports whether nobody reads what is written: the program then ends
// without a word, as with SIGPIPE.
func (o *output) closed() bool { return errors.Is(o.err, syscall.EPIPE) }

// plain is the text of an error as users are to read it: names and reasons,
// without the names of the functions that failed.
func plain(err error) string {
	text := err.Error()
	var path *fs.PathError
	if errors.As(err, &path) {
		text = strings.ReplaceAll(text, path.Error(), path.Path+": "+path.Err.Error())
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		text = strings.ReplaceAll(text, link.Error(), link.New+": "+link.Err.Error())
	}
	var number *strconv.NumError
	if errors.As(err, &number) {
		reason := " is no number"
		if errors.Is(number.Err, strconv.ErrRange) {
			reason = " is too large a number"
		}
		text = strings.ReplaceAll(text, number.Error(), show.Quoted(number.Num)+reason)
	}
	return text
}
