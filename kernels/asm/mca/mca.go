package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// tool returns the name of a program of LLVM: that of the environment variable
// LLVM_SUFFIX, as in llvm-mca-16.
func tool(name string) string { return name + os.Getenv("LLVM_SUFFIX") }

// vectorPipes are the two units of a CPU that compute with vectors, by which one
// knows that a scheduling model is the CPU's own: LLVM answers for some CPUs
// with the model of another.
var vectorPipes = map[string][2]string{
	"cortex-a57":  {"A57UnitW", "A57UnitX"},
	"neoverse-n1": {"N1UnitV0", "N1UnitV1"},
	"neoverse-n2": {"N2UnitV0", "N2UnitV1"},
}

// result is what llvm-mca tells about a loop.
type result struct {
	instructions float64 // of an iteration
	cycles       float64
	uses         map[string]float64 // of a unit of each resource, in cycles of an iteration
}

// analyse lets llvm-mca run code n times.
func analyse(cpu string, code []string, n int) (*result, error) {
	cmd := exec.Command(tool("llvm-mca"), "-mtriple=aarch64", "-mcpu="+cpu, "-mattr=+v8.6a,+i8mm,+dotprod,+fullfp16,+sve2",
		fmt.Sprint("-iterations=", n), "-resource-pressure", "-instruction-info=0")
	var text strings.Builder
	for _, l := range code {
		if at := regexp.MustCompile(`\s0x[0-9a-f]+\s*<.*$`).FindStringIndex(l); at != nil {
			l = l[:at[0]] + " ." // the target of a branch
		}
		fmt.Fprintln(&text, l)
	}
	cmd.Stdin = strings.NewReader(text.String())
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%v: %w: %.500s", cmd, err, stderr.String())
	}
	r := &result{instructions: float64(len(code)), uses: map[string]float64{}}
	total := regexp.MustCompile(`Total Cycles:\s+(\d+)`).FindSubmatch(out)
	if total == nil {
		return nil, fmt.Errorf("%v: no cycles in %.200s", cmd, out)
	}
	cycles, _ := strconv.ParseFloat(string(total[1]), 64)
	r.cycles = cycles / float64(n)
	names := regexp.MustCompile(`(?m)^\[(\d+(?:\.\d+)?)\]\s+- (\w+)$`).FindAllSubmatch(out, -1)
	_, rest, _ := strings.Cut(string(out), "Resource pressure per iteration:\n")
	rows := strings.SplitN(rest, "\n", 3)
	if len(rows) < 2 {
		return nil, fmt.Errorf("%v: no resources in %.200s", cmd, out)
	}
	units := map[string]float64{}
	for i, v := range strings.Fields(rows[1]) {
		if i < len(names) {
			x, _ := strconv.ParseFloat(v, 64) // a dash is nothing
			name := string(names[i][2])
			r.uses[name] += x
			units[name]++
		}
	}
	for name, n := range units {
		r.uses[name] /= n
	}
	pipes, known := vectorPipes[cpu]
	if _, ok := r.uses[pipes[0]]; !known || !ok {
		return nil, fmt.Errorf("llvm-mca has no model of its own for %s", cpu)
	}
	both := (r.uses[pipes[0]] + r.uses[pipes[1]]) / 2
	r.uses[pipes[0]], r.uses[pipes[1]] = both, both
	return r, nil
}
