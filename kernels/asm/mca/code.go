package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"qgo/kernels/asm/loop"
)

// function disassembles a function of a file.
func function(path, symbol string) ([]loop.Instruction, error) {
	out, err := exec.Command(tool("llvm-objdump"), "-d", "--no-show-raw-insn", "--mattr=+v8.6a,+i8mm,+dotprod,+fullfp16,+sve2",
		"--disassemble-symbols="+symbol, path).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	line := regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.*)$`)
	branch := regexp.MustCompile(`^(b|b\.\w+|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\w+,)\s+0x([0-9a-f]+)\s`)
	var code []loop.Instruction
	for _, l := range strings.Split(string(out), "\n") {
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		text, _, _ := strings.Cut(m[2], "//")
		in := loop.Instruction{Text: strings.TrimSpace(strings.ReplaceAll(text, "\t", " "))}
		in.Addr, _ = strconv.ParseUint(m[1], 16, 64)
		if b := branch.FindStringSubmatch(in.Text + " "); b != nil {
			in.Target, _ = strconv.ParseUint(b[2], 16, 64)
		}
		code = append(code, in)
	}
	if len(code) == 0 {
		return nil, fmt.Errorf("%s has no function %s", path, symbol)
	}
	return code, nil
}
