// Command mca counts the cycles of inner loops with llvm-mca: it disassembles
// functions of a built program, finds their main loops, and runs what an
// iteration executes through LLVM's model of a CPU. What it prints is a
// prediction.
//
//	GOARCH=arm64 go build -o qgo-arm64 ./cmd/qgo
//	go -C kernels/asm run ./mca -cpu cortex-a57 ../../qgo-arm64
//	go -C kernels/asm run ./mca quants.o ggml_vec_dot_q4_0_q8_0
//	go -C kernels/asm run ./mca -cpu cortex-a57 -path 14-71 -weights 64 quants.o ggml_vec_dot_q4_0_q8_0
//	qgo roofline 0.5b:q4_0 --profile jetson-nano-cpu --parts -o json | go -C kernels/asm run ./mca -cpu cortex-a57 -predict ../../qgo-arm64
//
// The first prints a table of the kernels for integer weights. The second lists
// the loops of a function of any program, by the numbers of their instructions,
// and the third counts the cycles of those that it executes for so many weights.
// The last predicts speeds of models from the first.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"regexp"
	"slices"
	"strings"

	"qgo/kernels/asm/loop"
	"qgo/kernels/asm/panels"
	"qgo/quant"
)

const tileWeights = 16 * 32 // see package panel

// manyRows is the number of rows of activations of a call in prefill.
const manyRows = 64

func main() {
	log.SetFlags(0)
	cpu := flag.String("cpu", "cortex-a57", "the CPU")
	weights := flag.Int("weights", 0, "weights, times rows of activations, that a path goes through")
	rows := flag.Int("rows", manyRows, "rows of activations of the kernels for several")
	suffix := flag.String("suffix", "", "of the kernels' names: Dot for those with SDOT, I8mm for those with SMMLA")
	parts := flag.String("path", "", "instructions of a function that is named: FIRST-LAST,FIRST-LAST and so on")
	predicts := flag.Bool("predict", false, "predict the speeds of the models on the standard input, outputs of qgo roofline -o json")
	var m machine
	flag.IntVar(&m.cores, "cores", 4, "cores, for predictions")
	flag.Float64Var(&m.clock, "clock", 1.43e9, "their clock in Hz")
	flag.Float64Var(&m.bandwidth, "bandwidth", 10e9, "bytes a second that they can read")
	flag.Parse()
	if flag.NArg() == 0 {
		log.Fatal("a program to look into is missing")
	}
	path := flag.Arg(0)
	for _, symbol := range flag.Args()[1:] {
		run := func() error { return printLoops(path, symbol) }
		if *parts != "" {
			run = func() error { return foreign(*cpu, path, symbol, *parts, *weights) }
		}
		if err := run(); err != nil {
			log.Fatal(err)
		}
	}
	if flag.NArg() > 1 {
		return
	}
	if *predicts {
		if err := predict(m, *cpu, path, *suffix, os.Stdin); err != nil {
			log.Fatal(err)
		}
		return
	}
	fmt.Printf("%s, per 32 weights: cycles, their ports' floor, instructions of one row; the same of each of %d rows\n", *cpu, *rows)
	for _, f := range panels.Integers() {
		t := f.Name
		one, err := kernel(*cpu, path, t, *suffix, 1)
		if err != nil {
			log.Fatal(err)
		}
		many, err := kernel(*cpu, path, t, *suffix, *rows)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%-7s %6.2f %6.2f %6.1f %8.2f %6.2f %6.1f\n", t, one.cycles, one.floor(), one.instructions, many.cycles, many.floor(), many.instructions)
	}
}

// floor is the number of cycles that the busiest units need at least, if the two
// vector pipes share their work evenly.
func (r *result) floor() (b float64) {
	for _, v := range r.uses {
		b = max(b, v)
	}
	return b
}

// kernel analyses a kernel: cycles for 32 weights and a row.
func kernel(cpu, path, typ, suffix string, rows int) (*result, error) {
	pairs := suffix != "" // of rows, each an iteration
	if rows == 1 && pairs {
		suffix, pairs = "Dot", false
	}
	name := "mul" + typ + suffix
	if rows == 1 {
		name += "x1"
	}
	code, err := function(path, "qgo/kernels/neon."+name+".abi0")
	if err != nil {
		return nil, err
	}
	outer := loop.Find(code)
	l := loop.Longest(loop.Longest(outer).Inner)
	if rows == 1 { // in the loop of rows
		l = loop.Longest(l.Inner)
	}
	t, err := quant.ParseType(typ)
	if err != nil {
		return nil, err
	}
	// It is the main loop: of pairs of tiles or, with super-blocks or several
	// rows, of SuperTiles tiles. Several rows have a loop that unpacks pairs of
	// tiles and one over rows with those tiles inside.
	tiles := 2.0
	if rows > 1 || t.Format().Super {
		tiles = panels.SuperTiles
	}
	times := func(in *loop.Loop) int {
		switch {
		case len(in.Inner) > 0 && pairs:
			return rows / 2
		case len(in.Inner) > 0:
			return rows
		case slices.Contains(l.Inner, in):
			return panels.SuperTiles / 2
		}
		return panels.SuperTiles
	}
	lines := loop.Trace(code, l, times)
	r, err := analyse(cpu, lines, max(2, 20000/len(lines)))
	if err != nil {
		return nil, err
	}
	return r.per(tiles * tileWeights / 32 * float64(rows)), nil
}

// per returns the result of an n-th of the work.
func (r *result) per(n float64) *result {
	out := &result{r.instructions / n, r.cycles / n, map[string]float64{}}
	for k, v := range r.uses {
		out.uses[k] = v / n
	}
	return out
}

// foreign analyses a path through a function.
func foreign(cpu, path, symbol string, parts string, weights int) error {
	code, err := function(path, symbol)
	if err != nil {
		return err
	}
	var lines []string
	for _, part := range strings.Split(parts, ",") {
		var first, last int
		if _, err := fmt.Sscanf(part, "%d-%d", &first, &last); err != nil || first < 0 || first > last || last >= len(code) {
			return fmt.Errorf("%s has %d instructions: a part of them is FIRST-LAST, not %q", symbol, len(code), part)
		}
		for _, in := range code[first : last+1] {
			lines = append(lines, in.Text)
		}
	}
	r, err := analyse(cpu, lines, 100)
	if err != nil {
		return err
	}
	per := r.per(float64(weights) / 32)
	fmt.Printf("%s, per 32 weights: %.2f cycles, their ports' floor %.2f, %.1f instructions\n", symbol, per.cycles, per.floor(), per.instructions)
	return nil
}

// printLoops lists those of a function, by the numbers of their instructions.
func printLoops(path, symbol string) error {
	code, err := function(path, symbol)
	if err != nil {
		return err
	}
	for i, in := range code {
		first := slices.IndexFunc(code, func(c loop.Instruction) bool { return c.Addr == in.Target })
		if in.Target == 0 || first <= 0 || first > i { // a branch to the begin asks for more stack
			continue
		}
		products := 0
		for _, c := range code[first : i+1] {
			if product.MatchString(c.Text) {
				products++
			}
		}
		fmt.Printf("%s: loop %d-%d with %d products\n", symbol, first, i, products)
	}
	return nil
}

// product matches the instructions that multiply bytes.
var product = regexp.MustCompile(`^(us?dot|sdot|u?smmla|[su](mull|mlal)2?) `)
