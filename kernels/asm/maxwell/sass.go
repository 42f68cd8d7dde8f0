package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"qgo/kernels/asm/loop"
)

// kernel is one as it is assembled for sm_53.
type kernel struct {
	name      string
	threads   int // of a block, at most
	registers int // of a thread
	local     int // bytes of its stack and of spilled registers, of a thread
	shared    int // bytes of a block
	code      []loop.Instruction
}

// toolkit is the directory of ptxas and nvdisasm.
type toolkit string

// assemble assembles a file of PTX and disassembles what comes out.
func (t toolkit) assemble(ptx string) ([]*kernel, error) {
	dir, err := os.MkdirTemp("", "maxwell")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	cubin := filepath.Join(dir, "cubin")
	usage, err := t.run("ptxas", "-arch=sm_53", "-v", "-o", cubin, ptx)
	if err != nil {
		return nil, err
	}
	sass, err := t.run("nvdisasm", "-c", cubin)
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(ptx)
	if err != nil {
		return nil, err
	}
	kernels, err := parseUsage(usage)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ptx, err)
	}
	for _, k := range kernels {
		if k.threads, err = maxThreads(string(source), k.name); err != nil {
			return nil, fmt.Errorf("%s: %w", ptx, err)
		}
		if k.code, err = parseCode(sass, k.name); err != nil {
			return nil, fmt.Errorf("%s: %w", ptx, err)
		}
	}
	return kernels, nil
}

// run returns all that a program prints.
func (t toolkit) run(name string, args ...string) (string, error) {
	out, err := exec.Command(filepath.Join(string(t), name), args...).CombinedOutput()
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("%s has no %s: docs/maxwell.md says how to get it; or name its directory with -tools", t, name)
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w: %.500s", name, err, out)
	}
	return string(out), nil
}

var (
	entryLine  = regexp.MustCompile(`Compiling entry function '(\w+)'`)
	localLine  = regexp.MustCompile(`(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads`)
	usedLine   = regexp.MustCompile(`Used (\d+) registers`)
	sharedPart = regexp.MustCompile(`(\d+) bytes smem`)
)

// parseUsage reads what ptxas -v prints.
func parseUsage(out string) (kernels []*kernel, err error) {
	for _, line := range strings.Split(out, "\n") {
		if m := entryLine.FindStringSubmatch(line); m != nil {
			kernels = append(kernels, &kernel{name: m[1], local: -1})
		}
		if len(kernels) == 0 {
			continue
		}
		k := kernels[len(kernels)-1]
		if m := localLine.FindStringSubmatch(line); m != nil {
			k.local = number(m[1]) + number(m[2]) + number(m[3])
		}
		if m := usedLine.FindStringSubmatch(line); m != nil {
			k.registers = number(m[1])
		}
		if m := sharedPart.FindStringSubmatch(line); m != nil {
			k.shared = number(m[1])
		}
	}
	if len(kernels) == 0 {
		return nil, fmt.Errorf("ptxas names no kernel in %.200q", out)
	}
	for _, k := range kernels {
		if k.local < 0 || k.registers == 0 {
			return nil, fmt.Errorf("ptxas does not state registers and local memory of %s", k.name)
		}
	}
	return kernels, nil
}

// number is what a group of digits says.
func number(digits string) int {
	n, _ := strconv.Atoi(digits)
	return n
}

// maxThreads reads the largest block of a kernel from its PTX.
func maxThreads(ptx, name string) (int, error) {
	_, rest, ok := strings.Cut(ptx, ".entry "+name+"(")
	m := regexp.MustCompile(`\.maxntid (\d+)`).FindStringSubmatch(rest)
	if !ok || m == nil {
		return 0, fmt.Errorf("the PTX states no .maxntid of %s", name)
	}
	return number(m[1]), nil
}

var (
	labelLine = regexp.MustCompile(`^(\.L_\w+):`)
	codeLine  = regexp.MustCompile(`^\s+/\*([0-9a-f]+)\*/\s+(?:\{\s+)?(.*?)\s*(?:;|\}|\(\*.*)`)
	jumpsTo   = regexp.MustCompile("BRA `\\((\\.L_\\w+)\\)")
)

// parseCode reads the instructions of a kernel from what nvdisasm -c prints.
func parseCode(sass, name string) ([]loop.Instruction, error) {
	_, rest, ok := strings.Cut(sass, "\n.text."+name+":\n")
	if !ok {
		return nil, fmt.Errorf("nvdisasm shows no kernel %s", name)
	}
	rest, _, _ = strings.Cut(rest, "\n//----")
	var code []loop.Instruction
	var open []string             // labels of the next instruction
	labels := map[string]uint64{} // their addresses
	branches := map[int]string{}  // instructions and their labels
	for _, line := range strings.Split(rest, "\n") {
		if m := labelLine.FindStringSubmatch(line); m != nil {
			open = append(open, m[1])
			continue
		}
		m := codeLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		addr, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, err
		}
		for _, l := range open {
			labels[l] = addr
		}
		open = nil
		if b := jumpsTo.FindStringSubmatch(line); b != nil {
			branches[len(code)] = b[1]
		}
		code = append(code, loop.Instruction{Addr: addr, Text: m[2]})
	}
	for i, l := range branches {
		code[i].Target = labels[l]
	}
	if len(code) == 0 {
		return nil, fmt.Errorf("nvdisasm shows no instructions of %s", name)
	}
	return code, nil
}
