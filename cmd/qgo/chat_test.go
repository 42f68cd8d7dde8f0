package main

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"qgo/model"
	"qgo/model/sample"
)

// TestChatInput joins the question and the standard input.
func TestChatInput(t *testing.T) {
	const answer = "ToUpper returns s with all Unicode letters mapped to their upper case.\n"
	for _, c := range []struct {
		stdin string
		args  []string
		code  int
		out   string
		err   string
	}{
		{stdin: "", args: []string{"-p", "What does strings.ToUpper do?"}, out: answer},
		{stdin: "\ufeffWhat does strings.ToUpper do?\r\n", out: answer},
		{stdin: "\n", args: []string{"-p", "What does strings.ToUpper do?"}, out: answer},
		{stdin: " ", code: exitBadInput, err: "the question is empty"},
		{stdin: "text", args: []string{"-p", ""}, code: exitUsage, err: "the question behind -p is empty"},
		{stdin: "gr\xf6\xdfe", args: []string{"-p", "x"}, code: exitBadInput, err: "the standard input is not in UTF-8"},
		{stdin: utf16LE("some text"), code: exitBadInput, err: "the standard input is in UTF-16LE"},
		{stdin: strings.Repeat("x", maxTextBytes+1), code: exitBadInput, err: "the standard input is larger than"},
		{args: []string{"-p", "x", "--temp", "nan"}, code: exitUsage, err: "--temp is nan: want a finite number of at least 0\n"},
		{args: []string{"-p", "x", "--repeat-last-n", "-2"}, code: exitUsage, err: "--repeat-last-n is -2: want at least -1 (-1: all tokens, 0: none)\n"},
		{args: []string{"-p", "x", "--temp", "inf"}, code: exitUsage, err: "--temp is inf: want"},
		{args: []string{"-p", "x", "--top-p", "2"}, code: exitUsage, err: "--top-p is 2: want 0 to 1\n"},
		{args: []string{"-p", "x", "--top-k", "-1"}, code: exitUsage, err: "--top-k is -1: want at least 0"},
		{args: []string{"-p", "x", "--min-p", "-inf"}, code: exitUsage, err: "--min-p is -inf: want 0 to 1\n"},
		{args: []string{"-p", "x", "--repeat-penalty", "-1"}, code: exitUsage, err: "--repeat-penalty is -1: want"},
		{args: []string{"-p", "x", "--presence-penalty", "inf"}, code: exitUsage, err: "--presence-penalty is inf: want a finite number\n"},
		{args: []string{"-p", "x", "--frequency-penalty", "nan"}, code: exitUsage, err: "--frequency-penalty is nan: want a finite number\n"},
	} {
		code, out, errOut := qgo(c.stdin, append([]string{"chat"}, c.args...)...)
		if code != c.code || out != c.out || !strings.Contains(errOut, c.err) {
			t.Errorf("%.20q, %q: exit %d, %q, %q; want %d, %q, %q", c.stdin, c.args, code, out, errOut, c.code, c.out, c.err)
		}
	}
	for _, c := range []struct{ prompt, text, want string }{
		{"", "", ""}, {"a", "", "a"}, {"", "b", "b"}, {"Explain:", "b\nc", "Explain:\n\nb\nc"},
	} {
		if got := join(c.prompt, c.text); got != c.want {
			t.Errorf("%q and %q: %q, want %q", c.prompt, c.text, got, c.want)
		}
	}
	// The question with the input takes more tokens than each alone.
	counts := map[string]string{}
	for name, stdin := range map[string]string{"alone": "", "joined": "some more words"} {
		counts[name], _, _ = strings.Cut(succeed(t, stdin, "chat", "-p", "What is this?", "-n", "1", "-o", "json"), "prefill")
	}
	if counts["alone"] == counts["joined"] {
		t.Errorf("the standard input is dropped: %s", counts["alone"])
	}
}

// TestSampling combines what the user says with what is recommended.
func TestSampling(t *testing.T) {
	recommended := model.Recommendation{
		Params:  sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05},
		Sources: map[string]string{"temp": "Qwen's recommendation", "top-k": "Qwen's recommendation", "top-p": model.FromFile, "repeat-penalty": "Qwen's recommendation"},
	}
	for _, c := range []struct {
		given string // names and values
		want  sample.Params
		notes string // of temp, top-k, top-p
	}{
		{"", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05}, "(Qwen's recommendation)|(Qwen's recommendation)|(from the file)"},
		{"temp 0", sample.Params{}, "|(off with temp 0)|(off with temp 0)"},
		{"temp 0 repeat-penalty 1.2", sample.Params{RepeatPenalty: 1.2}, "|(off with temp 0)|(off with temp 0)"},
		{"temp 0 temp default", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05}, "(Qwen's recommendation)|(Qwen's recommendation)|(from the file)"},
		{"temp 1.5 top-k 0 min-p 0.1", sample.Params{Temperature: 1.5, TopP: 0.8, MinP: 0.1, RepeatPenalty: 1.05}, "||(from the file)"},
		{"presence-penalty 0.5 frequency-penalty -0.5 repeat-last-n 64", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05, PresencePenalty: 0.5, FrequencyPenalty: -0.5, PenaltyWindow: 64},
			"(Qwen's recommendation)|(Qwen's recommendation)|(from the file)"},
		{"repeat-last-n 0", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05, PenaltyWindow: -1}, "(Qwen's recommendation)|(Qwen's recommendation)|(from the file)"},
		{"top-k -1 top-p 7 temp warm", sample.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, RepeatPenalty: 1.05}, "(Qwen's recommendation)|(Qwen's recommendation)|(from the file)"}, // errors
	} {
		s := &sampling{given: map[string]bool{}, recommended: recommended}
		words := strings.Fields(c.given)
		for i := 0; i < len(words); i += 2 {
			for _, k := range knobs {
				if k.name == words[i] {
					_ = s.change(k, words[i+1], 100)
				}
			}
		}
		p := s.params()
		var notes []string
		for _, k := range knobs[:3] {
			notes = append(notes, s.source(k))
		}
		if got := strings.Join(notes, "|"); !reflect.DeepEqual(p, c.want) || got != c.notes {
			t.Errorf("%q: %+v, %s; want %+v, %s", c.given, p, got, c.want, c.notes)
		}
	}
	for _, k := range knobs {
		if k.name == lastN {
			for text, want := range map[string]int{"-1": 0, "0": -1, "64": 64} {
				var p sample.Params
				if err := k.set(&p, text); err != nil || p.PenaltyWindow != want || k.get(&p) != text {
					t.Errorf("--%s %s is a window of %d, want %d, and is shown as %s", lastN, text, p.PenaltyWindow, want, k.get(&p))
				}
			}
		}
	}
}

func TestSessionNames(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for name, want := range map[string]string{
		"monday": "", "two words": "", "größe 日本": "", "v1.2": "", "com": "", "console": "", strings.Repeat("ä", 100): "",
		"../x": "characters", "a/b": "characters", `a\b`: "characters", "a:b": "characters", ".hidden": "begins with a dot", "..": "begins with a dot",
		"a\x00b": "cannot be shown", "a\x1b[2Jb": "cannot be shown", "a\nb": "cannot be shown", "\xff": "cannot be shown", "a\u202eb": "cannot be shown",
		"nul": "Windows", "COM1": "Windows", "lpt9.txt": "Windows", "Con.x.y": "Windows", "a.": "ends in", "a ": "ends in",
		strings.Repeat("x", 101): "longer than 100", strings.Repeat("日", 100): "longer than 100",
	} {
		err := checkSessionName(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
		if _, err := sessionPath(name); (err == nil) != (want == "") {
			t.Errorf("the path of %q: %v", name, err)
		}
	}
}

// TestChatCompletion completes commands, settings, sessions and files.
func TestChatCompletion(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	t.Setenv("HOME", state)
	for _, name := range []string{"qgo/sessions/monday.qgo-session", "qgo/sessions/morning.qgo-session", "qgo/sessions/.x.qgo-session", "docs/a.txt", "docs/ä b.txt", "docs/.hidden", "docs/sub/x", "docs/a\x1b[2J"} {
		path := filepath.Join(state, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string][]string{
		"/sa":              {"/save "},
		"/se":              {"/set "},
		"/bye":             {"/bye"},
		"/set te":          {"/set temp "},
		"/set verbose o":   {"/set verbose on", "/set verbose off"},
		"/set temp 0":      nil,
		"/load mo":         {"/load monday", "/load morning"},
		"/delete mond":     {"/delete monday"},
		"/save ":           {"/save monday", "/save morning"},
		"/read ~/do":       {"/read ~/docs/"},
		"/read ~/docs/":    {"/read ~/docs/a.txt", "/read ~/docs/sub/", "/read ~/docs/ä b.txt"},
		"/read ~/docs/.":   {"/read ~/docs/.hidden"},
		"/read ~/nothing/": nil,
		"/bye x":           nil,
		"read":             nil,
	} {
		got := completeCommand(text)
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%q is completed with %q, want %q", text, got, want)
		}
	}
	t.Chdir(filepath.Join(state, "docs"))
	if got := completeCommand("/read a"); !slices.Equal(got, []string{"/read a.txt"}) {
		t.Errorf("in the working directory: %q", got)
	}
}

// TestHelpEntries fits /help into narrow terminals.
func TestHelpEntries(t *testing.T) {
	if got, want := entry("/save NAME", "keep the conversation, with what was computed for it", 60),
		"  /save NAME        keep the conversation, with what was\n                    computed for it"; got != want {
		t.Errorf("60 columns:\n%s\nwant\n%s", got, want)
	}
	if got, want := entry("/save NAME", "keep the conversation, with what was computed for it", 40),
		"  /save NAME\n      keep the conversation, with what\n      was computed for it"; got != want {
		t.Errorf("40 columns:\n%s\nwant\n%s", got, want)
	}
	for width, want := range map[int]string{40: "  seed              12345678901234567890", 39: "  seed\n      12345678901234567890"} {
		if got := shortEntry("seed", "12345678901234567890", width); got != want {
			t.Errorf("%d columns: %q, want %q", width, got, want)
		}
	}
	list := chatKeys
	for _, k := range chatCommands() {
		list = append(list, [2]string{"/" + k.name + " " + k.args, k.help})
	}
	for _, k := range list {
		for _, width := range []int{40, 59, 60, 80} {
			for _, line := range strings.Split(entry(k[0], k[1], width), "\n") {
				if ansi.StringWidth(line) > width {
					t.Errorf("%d columns: %q", width, line)
				}
			}
		}
	}
}

func TestFenced(t *testing.T) {
	for text, want := range map[string]string{
		"a\n\n":         "```\na\n```",
		"```go\na\n```": "````\n```go\na\n```\n````",
	} {
		if got := fenced(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
