package arm64

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

var spaces = regexp.MustCompile(`\s+`)

// normal makes what disassemblers write differently alike.
func normal(text string) string {
	text = spaces.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), " ")
	text = strings.NewReplacer("{ ", "{", " }", "}", "#0x", "#").Replace(text)
	// These two are one instruction.
	if text, ok := strings.CutSuffix(text, ", #0"); ok && strings.Contains(text, "shll") {
		return strings.Replace(text, "shll", "xtl", 1)
	}
	return text
}

// disassembler returns what a number is as an instruction, or "" if it does
// not know.
type disassembler func(words []uint32) ([]string, error)

// goDisassembler knows but some vector instructions.
func goDisassembler(words []uint32) ([]string, error) {
	texts := make([]string, len(words))
	for i, w := range words {
		in, err := arm64asm.Decode(binary.LittleEndian.AppendUint32(nil, w))
		if err == nil {
			texts[i] = arm64asm.GNUSyntax(in)
		}
	}
	return texts, nil
}

// objdump knows all of them.
const objdump = "aarch64-linux-gnu-objdump"

func gnuDisassembler(words []uint32) ([]string, error) {
	if _, err := exec.LookPath(objdump); err != nil {
		return nil, exec.ErrNotFound
	}
	var code []byte
	for _, w := range words {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	path := filepath.Join(os.TempDir(), fmt.Sprintf("qgo-words-%d", os.Getpid()))
	defer os.Remove(path)
	if err := os.WriteFile(path, code, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command(objdump, "-D", "-z", "-b", "binary", "-m", "aarch64", path)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w", cmd, err)
	}
	var texts []string
	for _, m := range regexp.MustCompile(`(?m)^ *[0-9a-f]+:\t[0-9a-f]{8} \t(.*)$`).FindAllSubmatch(out, -1) {
		texts = append(texts, string(m[1]))
	}
	if len(texts) != len(words) {
		return nil, fmt.Errorf("%v: %d instructions of %d words", cmd, len(texts), len(words))
	}
	return texts, nil
}

// check compares the instructions with what disassemblers make of the words.
func check(t *testing.T, words []uint32, texts []string) {
	t.Helper()
	known := make([]bool, len(words))
	for name, d := range map[string]disassembler{"arm64asm": goDisassembler, objdump: gnuDisassembler} {
		got, err := d(words)
		if err == exec.ErrNotFound {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range got {
			if text == "" {
				continue
			}
			known[i] = true
			if normal(text) != normal(texts[i]) {
				t.Errorf("%s: 0x%08x is %q, want %q", name, words[i], normal(text), normal(texts[i]))
			}
		}
	}
	unknown := 0
	for _, k := range known {
		if !k {
			unknown++
		}
	}
	if unknown > 0 {
		t.Errorf("%d of %d words are known to no disassembler: install %s (binutils-aarch64-linux-gnu)", unknown, len(words), objdump)
	}
}

// TestTable encodes every instruction of the table with several numbers.
func TestTable(t *testing.T) {
	var words []uint32
	var texts []string
	for form, in := range table {
		if in.goName != "" {
			continue
		}
		for i, set := range [][]int{{0, 0, 1, 0}, {31, 30, 29, 3}, {1, 2, 4, 1}, {8, 16, 15, 2}} {
			numbers := set[:strings.Count(form, "%")]
			if i > 0 && len(numbers) != len(in.fields) {
				t.Fatalf("%s has %d fields", form, len(in.fields))
			}
			words = append(words, encode(in, numbers))
			texts = append(texts, armText(form, numbers))
		}
	}
	check(t, words, texts)
}

// TestGenerated disassembles the WORDs of the files that have been generated.
func TestGenerated(t *testing.T) {
	files, err := filepath.Glob("../../neon/*.s")
	if err != nil || len(files) == 0 {
		t.Fatalf("no generated files: %v", err)
	}
	line := regexp.MustCompile(`^\tWORD \$0x([0-9a-f]{8}) // (.*)$`)
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var words []uint32
		var texts []string
		for s := bufio.NewScanner(f); s.Scan(); {
			m := line.FindStringSubmatch(s.Text())
			if m == nil {
				if strings.Contains(s.Text(), "WORD") {
					t.Errorf("%s: %q", path, s.Text())
				}
				continue
			}
			w, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			words, texts = append(words, uint32(w)), append(texts, m[2])
		}
		if len(words) == 0 {
			t.Errorf("%s has no WORD", path)
		}
		check(t, words, texts)
	}
}
