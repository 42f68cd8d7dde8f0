package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// instruction is one of a disassembled function.
type instruction struct {
	addr   uint64
	text   string
	target uint64 // of a branch within the function; 0 for others
}

// function disassembles a function of a file.
func function(path, symbol string) ([]instruction, error) {
	out, err := exec.Command(tool("llvm-objdump"), "-d", "--no-show-raw-insn", "--mattr=+v8.6a,+i8mm,+dotprod,+fullfp16,+sve2",
		"--disassemble-symbols="+symbol, path).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	line := regexp.MustCompile(`^\s*([0-9a-f]+):\s+(.*)$`)
	branch := regexp.MustCompile(`^(b|b\.\w+|cbn?z\s+\w+,|tbn?z\s+\w+,\s*#\w+,)\s+0x([0-9a-f]+)\s`)
	var code []instruction
	for _, l := range strings.Split(string(out), "\n") {
		m := line.FindStringSubmatch(l)
		if m == nil {
			continue
		}
		text, _, _ := strings.Cut(m[2], "//")
		in := instruction{text: strings.TrimSpace(strings.ReplaceAll(text, "\t", " "))}
		in.addr, _ = strconv.ParseUint(m[1], 16, 64)
		if b := branch.FindStringSubmatch(in.text + " "); b != nil {
			in.target, _ = strconv.ParseUint(b[2], 16, 64)
		}
		code = append(code, in)
	}
	if len(code) == 0 {
		return nil, fmt.Errorf("%s has no function %s", path, symbol)
	}
	return code, nil
}

// loop is the code from the target of a branch backwards to that branch.
type loop struct {
	first, last int // instructions
	inner       []*loop
}

func (l *loop) len() int { return l.last - l.first + 1 }

// findLoops returns the loops of a function that are in no other.
func findLoops(code []instruction) (top []*loop) {
	var all []*loop
	for i, in := range code {
		if in.target == 0 || in.target > in.addr {
			continue
		}
		first := slices.IndexFunc(code, func(c instruction) bool { return c.addr == in.target })
		if first > 0 { // a branch to the begin asks for more stack
			all = append(all, &loop{first: first, last: i})
		}
	}
	slices.SortFunc(all, func(a, b *loop) int { return b.len() - a.len() })
	for _, l := range all {
		list := &top
		for i := 0; i < len(*list); i++ {
			if o := (*list)[i]; o.first <= l.first && l.last <= o.last {
				list, i = &o.inner, -1
			}
		}
		*list = append(*list, l)
	}
	return top
}

// longest returns the longest of some loops.
func longest(loops []*loop) *loop {
	return slices.MaxFunc(loops, func(a, b *loop) int { return a.len() - b.len() })
}

// trace lists the instructions that one iteration of a loop executes when
// those inside are iterated some number of times and no other branch is taken.
func trace(code []instruction, l *loop, times func(*loop) int) (lines []string) {
	for i := l.first; i <= l.last; {
		next := slices.IndexFunc(l.inner, func(in *loop) bool { return in.first == i })
		if next < 0 {
			lines = append(lines, code[i].text)
			i++
			continue
		}
		in := l.inner[next]
		body := trace(code, in, times)
		for range times(in) {
			lines = append(lines, body...)
		}
		i = in.last + 1
	}
	return lines
}
