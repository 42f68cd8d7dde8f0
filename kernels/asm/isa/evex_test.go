package isa

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestEVEX disassembles the program: only functions for AVX-512 and AMX may have
// instructions in AVX-512's encoding, whose first byte is 62. Those for AVX2 get some
// when they need more than 16 vector registers, or when Go's assembler knows no other
// encoding. A machine with AVX-512 runs them, and one without ends with SIGILL.
func TestEVEX(t *testing.T) {
	program := filepath.Join(t.TempDir(), "qgo")
	build := exec.Command("go", "build", "-o", program, "./cmd/qgo")
	build.Dir = "../../.."
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	objdump := exec.Command("llvm-objdump"+os.Getenv("LLVM_SUFFIX"), "-d", program)
	out, err := objdump.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := objdump.Start(); err != nil {
		t.Fatal(err)
	}
	function := regexp.MustCompile(`^[0-9a-f]+ <(.*)>:$`)
	evex := regexp.MustCompile(`^ *[0-9a-f]+: 62 `)
	allowed := regexp.MustCompile(`^qgo/kernels/(avx512|amx)\.|^qgo/bench/probe\..*AVX512$`)
	var name string
	functions := map[string]int{} // of each function of ours, its instructions in that encoding
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := lines.Text()
		if m := function.FindStringSubmatch(line); m != nil {
			name = strings.TrimSuffix(m[1], ".abi0")
			if strings.HasPrefix(name, "qgo/") {
				functions[name] += 0
			}
		} else if _, ours := functions[name]; ours && evex.MatchString(line) {
			functions[name]++
			if functions[name] == 1 && !allowed.MatchString(name) {
				t.Errorf("%s has an instruction of AVX-512: %s", name, line)
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if err := objdump.Wait(); err != nil {
		t.Fatal(err)
	}
	// The disassembler and its output are as expected.
	if n, ok := functions["qgo/kernels/avx2.mulF32x4"]; !ok || n > 0 {
		t.Errorf("mulF32x4 for AVX2: there %v, %d instructions of AVX-512", ok, n)
	}
	if functions["qgo/kernels/avx512.mulF32x4"] == 0 {
		t.Error("mulF32x4 for AVX-512 has no instruction of AVX-512")
	}
}
