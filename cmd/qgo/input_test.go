package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
)

// utf16LE encodes text, without a mark.
func utf16LE(text string) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(text)) {
		b = append(b, byte(u), byte(u>>8))
	}
	return string(b)
}

func TestWithoutLineEnd(t *testing.T) {
	for in, want := range map[string]string{"": "", "a": "a", "a\n": "a", "a\r\n": "a", "\n\na\n\n": "\n\na\n", "\n": ""} {
		if got := withoutLineEnd(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestReadUTF8(t *testing.T) {
	swap := func(s string) string {
		b := []byte(s)
		for i := 0; i+1 < len(b); i += 2 {
			b[i], b[i+1] = b[i+1], b[i]
		}
		return string(b)
	}
	for _, c := range []struct{ in, want, err string }{
		{in: ""},
		{in: "\n\na\r\n", want: "\n\na\r\n"},
		{in: "\ufeffgrößer 日本", want: "größer 日本"},
		{in: strings.Repeat("x", maxTextBytes), want: strings.Repeat("x", maxTextBytes)},
		{in: strings.Repeat("x", maxTextBytes+1), err: "the text is larger than 8.0 MB; choose a part of it"},
		{in: "\xff\xfe" + utf16LE("a"), err: "the text is in UTF-16LE; convert it to UTF-8 (iconv -f UTF-16LE -t UTF-8)"},
		{in: "\xfe\xff" + swap(utf16LE("a")), err: "the text is in UTF-16BE"},
		{in: utf16LE("some words"), err: "the text is in UTF-16LE"},
		{in: swap(utf16LE("some words")), err: "the text is in UTF-16BE"},
		{in: utf16LE("日本語の文章 です ね 、 a b c"), err: "the text is in UTF-16LE"},
		{in: "a\x00b", err: "the text is no text: byte 1 is zero"},
		{in: "ab\x00", err: "the text is no text: byte 2 is zero"},
		{in: "\x00", err: "the text is no text: byte 0 is zero"},
		{in: "one zero \x00 in a text of many letters", err: "the text is no text: byte 9 is zero"},
		{in: "line 1\nsch\xf6n", err: "the text is not in UTF-8: line 2 has the byte 0xf6; if it is in Latin-1, convert it (iconv -f ISO-8859-1 -t UTF-8)"},
	} {
		got, err := readUTF8(context.Background(), strings.NewReader(c.in), "the text")
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%.20q: %v, want %q", c.in, err, c.err)
			}
			continue
		}
		if err != nil || got != c.want {
			t.Errorf("%.20q: %.20q, %v; want %.20q", c.in, got, err, c.want)
		}
	}
	if got, err := readUTF8(context.Background(), errorReader{os.ErrClosed}, "x"); got != "" || err != nil {
		t.Errorf("a closed input: %q, %v", got, err)
	}
	if _, err := readUTF8(context.Background(), errorReader{errors.New("broken")}, "x"); err == nil || err.Error() != "x cannot be read: broken" {
		t.Errorf("a broken input: %v", err)
	}
}

type errorReader struct{ err error }

func (r errorReader) Read([]byte) (int, error) { return 0, r.err }

// TestReadUTF8Ends breaks off the reading of what never delivers, and bounds
// the memory of what never ends.
func TestReadUTF8Ends(t *testing.T) {
	r, w := io.Pipe()
	defer w.Close()
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := readUTF8(ctx, r, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("broken off: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	text := bytes.Repeat([]byte("x"), 1<<20)
	if _, err := readUTF8(context.Background(), bytes.NewReader(text), "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := readUTF8(context.Background(), endless{}, "x"); err == nil {
		t.Error("an endless text was read")
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 10*(maxTextBytes+1<<20) {
		t.Errorf("%d bytes were allocated", n)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 'x'
	}
	return len(b), nil
}

func TestReadTextFile(t *testing.T) {
	dir := t.TempDir()
	if _, err := readTextFile(context.Background(), dir, "d"); err == nil || err.Error() != "d is a directory" {
		t.Errorf("a directory: %v", err)
	}
	if _, err := readTextFile(context.Background(), filepath.Join(dir, "x"), "x"); err == nil || !strings.HasPrefix(err.Error(), "x cannot be read: ") || strings.Contains(err.Error(), "stat") {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := readTextFile(context.Background(), os.DevNull, "null"); err == nil || err.Error() != "null is no regular file" {
		t.Errorf("a device: %v", err)
	}
}
