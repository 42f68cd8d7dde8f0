package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/charmbracelet/x/ansi"
)

// TestUsageErrors makes mistakes on the command line: exit code 2, and words
// that help.
func TestUsageErrors(t *testing.T) {
	for line, want := range map[string]string{
		"caht":                              `there is no command "caht"; did you mean chat?`,
		"frobnicate --model x":              `there is no command "frobnicate"`,
		"help caht":                         `there is no command "caht"; did you mean chat?`,
		"bench reprot":                      `there is no command "reprot"; did you mean report?`,
		"completion bsh":                    `there is no command "bsh"; did you mean bash?`,
		"completion bash x":                 "expected no arguments, found 1 argument",
		"version x y":                       "expected no arguments, found 2 arguments",
		"chat --modle x":                    "there is no flag --modle; did you mean --model?",
		"chat --zzz":                        "there is no flag --zzz\n",
		"chat -Z":                           "there is no flag -Z",
		"chat --threads x":                  `--threads is "x": expected a whole number`,
		"chat --threads 1.5":                `--threads is "1.5": expected a whole number`,
		"chat -t 99999999999999999999":      `--threads is "99999999999999999999": expected a whole number`,
		"chat --threads -1":                 "--threads is -1: choose 0 or more",
		"chat --ctx -5":                     "--ctx is -5: choose 0 or more",
		"chat --seed 99999999999999999999":  `--seed is "99999999999999999999": expected a whole number from 0 to 18446744073709551615`,
		"chat --top-k 99999999999999999999": `expected a whole number from -`,
		"chat --temp 1e999":                 "expected a number of at most 1.8e+308",
		"chat --temp warm":                  `--temp is "warm": expected a number`,
		"chat --temp":                       "--temp needs a value: expected a number",
		"chat --seed -1":                    `--seed is "-1": expected a whole number from 0`,
		"chat --verbose=maybe":              `--verbose is "maybe": expected true or false`,
		"chat --kv f18":                     `--kv is "f18": choose f16, f32 or q8_0; did you mean f16?`,
		"chat --kv":                         "--kv needs a value: expected f16, f32 or q8_0",
		"chat --tier mmx":                   `--tier is "mmx": choose `,
		"version -o jsn":                    `--output is "jsn": choose text or json; did you mean json?`,
		"bench -o xml":                      `--output is "xml": choose text, json, jsonl, csv, md or benchstat`,
		"roofline --profile jetson":         `--profile is "jetson": choose `,
		"man":                               "expected the name of a directory, found 0 arguments",
	} {
		code, out, errOut := qgo("", strings.Fields(line)...)
		if code != exitUsage || out != "" || !strings.Contains(errOut, want) {
			t.Errorf("qgo %s: exit %d, out %q, error %q; want exit 2 and %q", line, code, out, errOut, want)
		}
		for _, raw := range []string{"strconv", "invalid", "unknown"} {
			if strings.Contains(errOut, raw) {
				t.Errorf("qgo %s: %q is in the error %q", line, raw, errOut)
			}
		}
	}
}

func TestDidYouMean(t *testing.T) {
	for typed, want := range map[string]string{
		"chta": "; did you mean chat?", "chats": "; did you mean chat?", "LIST": "; did you mean list?",
		"x": "", "": "", "synthesise": "", strings.Repeat("chat", 1000): "", "pul": "; did you mean pull?", "r": "", "rn": "; did you mean rm?",
	} {
		if got := didYouMean(typed, []string{"chat", "list", "pull", "rm", "synth"}); got != want {
			t.Errorf("%.20q: %q, want %q", typed, got, want)
		}
	}
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "ab", 2}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"kitten", "sitting", 3}} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("from %q to %q: %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestVersion(t *testing.T) {
	if flag, command := succeed(t, "", "--version"), succeed(t, "", "version"); flag != command || !strings.HasPrefix(flag, "qgo ") {
		t.Errorf("--version prints %q, version %q", flag, command)
	}
}

// failing is a writer that takes so many bytes.
type failing struct {
	room int
	err  error
}

func (f *failing) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, f.err
	}
	return len(b), nil
}

// TestOutputErrors wants no command to succeed whose output is lost.
func TestOutputErrors(t *testing.T) {
	for _, line := range []string{
		"version", "version -o json", "--version", "--help", "help chat", "chat --help", "completion bash", "inspect", "inspect -o json", "devices", "devices -o json",
		"list -o json", "tokenize", "chat -p Hello -n 4", "chat -p Hello -n 4 -o json",
	} {
		for err, want := range map[error]struct {
			code int
			text string
		}{
			syscall.ENOSPC: {exitBadInput, "qgo: the output could not be written: no space left on device\n"},
			syscall.EPIPE:  {141, ""},
		} {
			var errOut strings.Builder
			code := run(strings.Fields(line), strings.NewReader("text"), &failing{err: err}, &errOut)
			if said := errOut.String(); code != want.code || !strings.HasSuffix(said, want.text) || want.text == "" && strings.Contains(said, "qgo: ") {
				t.Errorf("qgo %s and %v: exit %d, error %q; want %d, %q", line, err, code, errOut.String(), want.code, want.text)
			}
		}
	}
	o := &output{to: &failing{room: 1, err: syscall.ENOSPC}}
	_, _ = o.Write([]byte("ab"))
	o.to = &failing{err: syscall.EPIPE}
	if _, err := o.Write([]byte("ab")); !errors.Is(err, syscall.EPIPE) || o.err != syscall.ENOSPC {
		t.Errorf("the first error is %v", o.err)
	}
}

// TestFlagCompletion completes the values of flags.
func TestFlagCompletion(t *testing.T) {
	for line, want := range map[string]string{
		"chat --kv": "f16\nf32\nq8_0\n", "chat --output": "text\njson\n", "bench -o": "text\njson\njsonl\ncsv\nmd\nbenchstat\n",
		"chat --device": "auto\ncpu\n", "chat --gpu-layers": "auto\nall\n", "bench --scenario": "all\nchat\n", "roofline --profile": "jetson-nano",
		"chat --tier": "go\n", "help": "chat", "synth": "0.5b", "synth 0.5b": "q4_k_m",
	} {
		out := succeed(t, "", append(append([]string{"__complete"}, strings.Fields(line)...), "")...)
		if !strings.Contains(out, want) {
			t.Errorf("qgo %s is completed with %q, want %q", line, out, want)
		}
	}
	if out := succeed(t, "", "__complete", "help", ""); strings.Contains(out, "__complete") {
		t.Errorf("help is completed with a command that is hidden: %q", out)
	}
}

// TestPlain leaves no names of functions in errors.
func TestPlain(t *testing.T) {
	_, notThere := os.Open("/none/x.gguf")
	_, noNumber := strconv.Atoi("x\x1b")
	_, tooLarge := strconv.Atoi("99999999999999999999")
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("as it is"), "as it is"},
		{notThere, "/none/x.gguf: no such file or directory"},
		{fmt.Errorf("the model: %w", notThere), "the model: /none/x.gguf: no such file or directory"},
		{os.Rename("/none/a", "/none/b"), "/none/b: no such file or directory"},
		{fmt.Errorf("--depth: %w", noNumber), `--depth: "x\x1b" is no number`},
		{tooLarge, `"99999999999999999999" is too large a number`},
		{&usageError{"qgo", noNumber}, `"x\x1b" is no number`},
	} {
		if got := plain(c.err); got != c.want {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
	if _, _, errOut := qgo("", "man", "/dev/null/x"); errOut != "qgo: /dev/null: not a directory\n" {
		t.Errorf("man: %q", errOut)
	}
}

// TestWrapHelp fits the flags' help into terminals. In narrow ones pflag does
// not break what has a word that is too long.
func TestWrapHelp(t *testing.T) {
	for _, width := range []int{40, 60, 80, 120} {
		root := newRoot()
		wrapHelp(root, width)
		for _, c := range root.Commands() {
			if width < 80 && c.Name() != "chat" {
				continue
			}
			_, flags, _ := strings.Cut(c.UsageString(), "\nFlags:\n")
			flags, _, _ = strings.Cut(flags, "\n\n")
			for line := range strings.Lines(flags) {
				if n := ansi.StringWidth(strings.TrimRight(line, "\n")); n > width {
					t.Errorf("%s, %d columns: %q", c.Name(), width, line)
				}
			}
		}
	}
}
