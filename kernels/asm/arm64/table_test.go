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

// llvm knows all of them.
func llvm(words []uint32) ([]string, error) {
	name := ""
	for _, suffix := range []string{"", "-19", "-18", "-17", "-16", "-15", "-14"} {
		if path, err := exec.LookPath("llvm-mc" + suffix); err == nil {
			name = path
			break
		}
	}
	if name == "" {
		return nil, exec.ErrNotFound
	}
	var in strings.Builder
	for _, w := range words {
		fmt.Fprintf(&in, "0x%02x 0x%02x 0x%02x 0x%02x\n", byte(w), byte(w>>8), byte(w>>16), byte(w>>24))
	}
	cmd := exec.Command(name, "-disassemble", "-triple=aarch64", "-mattr=+v8.6a,+dotprod,+i8mm,+fullfp16")
	cmd.Stdin = strings.NewReader(in.String())
	out, err := cmd.CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %s", cmd, err, out)
	}
	var texts []string
	for _, l := range strings.Split(string(out), "\n") {
		if l = strings.TrimSpace(l); l != "" && l[0] != '.' {
			texts = append(texts, l)
		}
	}
	if len(texts) != len(words) {
		return nil, fmt.Errorf("%v: %d instructions of %d words: %.1000s", cmd, len(texts), len(words), out)
	}
	return texts, nil
}

// check compares the instructions with what disassemblers make of the words.
func check(t *testing.T, words []uint32, texts []string) {
	t.Helper()
	known := make([]bool, len(words))
	for name, d := range map[string]disassembler{"arm64asm": goDisassembler, "llvm-mc": llvm} {
		got, err := d(words)
		if err == exec.ErrNotFound {
			t.Logf("%s is not installed", name)
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
		t.Logf("%d of %d words are known to no disassembler on this machine", unknown, len(words))
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
		for i, set := range [][]int{{0, 0, 0, 0}, {31, 30, 29, 3}, {1, 2, 4, 1}, {8, 16, 15, 2}} {
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
