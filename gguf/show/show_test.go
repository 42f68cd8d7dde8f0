package show

import (
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	long := strings.Repeat("ä", 64)
	for text, want := range map[string]string{
		"":                         "",
		"blk.0.attn_q.weight":      "blk.0.attn_q.weight",
		"größe 😀 \"x\" \\":         "größe 😀 \"x\" \\",
		"a\x1b[2Jb":                `a\x1b[2Jb`,
		"a\nb\tc\x00":              `a\nb\tc\x00`,
		"\u009b31m":                `\u009b31m`,
		"\u202egnp.exe":            `\u202egnp.exe`,
		"\u200b\ufeff":             `\u200b\ufeff`,
		"\xff\xfe":                 `\xff\xfe`,
		"\ufffd":                   "\ufffd",
		long:                       long,
		long + "z":                 long + "…",
		strings.Repeat("\x1b", 65): strings.Repeat(`\x1b`, 64) + "…",
	} {
		if got := Text(text); got != want {
			t.Errorf("Text(%q) = %q, expected %q", text, got, want)
		}
	}
	if got := Quoted("a\x1bb"); got != `"a\x1bb"` {
		t.Errorf("Quoted: got %s", got)
	}
}

func TestLines(t *testing.T) {
	if got, want := Lines("a\n\tb\x1b[1m\u009bc\u202ed\r\u2069"), "a\n\tb\ufffd[1m\ufffdc\ufffdd\ufffd\ufffd"; got != want {
		t.Errorf("Lines: got %q, expected %q", got, want)
	}
	if got := Lines("größe 😀"); got != "größe 😀" {
		t.Errorf("Lines: got %q", got)
	}
}
