// Command maxwell counts what the GPU kernels do on the Maxwell of a Jetson
// Nano: it assembles their PTX for sm_53 with ptxas of CUDA 11.8, the last that
// knows it well, and counts instructions in the disassembled code. Speeds that
// it prints are predictions.
//
//	go -C kernels/asm run ./maxwell
//	go -C kernels/asm run ./maxwell -check
//	go -C kernels/asm run ./maxwell -counts >kernels/asm/maxwell/counts.txt
//	qgo roofline 0.5b:q4_0 --profile jetson-nano --ctx 2048 --parts -o json | go -C kernels/asm run ./maxwell -predict
//
// The first prints all counts. The second, for CI, fails if a kernel has more
// than counts.txt states or keeps anything in local memory; the third writes
// that file. The last predicts speeds of models. docs/maxwell.md has more.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

//go:embed counts.txt
var stated string

func main() {
	log.SetFlags(0)
	tools := flag.String("tools", defaultTools(), "the directory of ptxas and nvdisasm, by default $MAXWELL_TOOLS or the gate's")
	dir := flag.String("ptx", "../cuda/ptx", "the directory of the PTX")
	check := flag.Bool("check", false, "fail if a kernel has more than is stated")
	counts := flag.Bool("counts", false, "print the counts as they are to be stated")
	predicts := flag.Bool("predict", false, "predict the speeds of the models on the standard input, outputs of qgo roofline --parts -o json")
	flag.Parse()
	r, err := newReport(toolkit(*tools), *dir)
	if err == nil {
		switch {
		case *check:
			err = r.check(os.Stdout, stated)
		case *counts:
			r.printCounts(os.Stdout)
		case *predicts:
			err = r.predictor().print(os.Stdout, os.Stdin)
		default:
			r.print(os.Stdout)
			err = r.checkKernels()
		}
	}
	if err != nil {
		log.Fatal(err)
	}
}

func defaultTools() string {
	if dir := os.Getenv("MAXWELL_TOOLS"); dir != "" {
		return dir
	}
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "qgo-gate", "cuda-11.8", "bin")
}

// find returns the files of PTX of a directory.
func find(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "sm_53_*.ptx"))
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s has no sm_53_*.ptx: name their directory with -ptx", dir)
	}
	return files, err
}
