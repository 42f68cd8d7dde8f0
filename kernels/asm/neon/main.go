// Command neon writes the kernels for arm64. Their arithmetic is that of
// package generic, operation by operation, so that results are equal to the
// last bit.
package main

import (
	"flag"
	"log"

	"qgo/kernels/asm/arm64"
)

// generators write the functions of a file and return more declarations.
var generators = map[string]func(a *arm64.Asm) string{
	"matmul":    matmul(smull, "Mul", "are the kernels for integer weights on every CPU"),
	"dot":       matmul(sdot, "DotMul", "are the kernels for integer weights on CPUs with SDOT"),
	"i8mm":      matmul(smmla, "I8mmMul", "are the kernels for integer weights on CPUs with SDOT and SMMLA"),
	"floats":    floats,
	"vector":    vectors,
	"attention": attention,
	"quantize":  quantize,
}

func main() {
	what := flag.String("kernels", "", "which")
	out := flag.String("out", "", "the assembler file")
	decls := flag.String("decls", "", "the Go file with its declarations")
	pkg := flag.String("pkg", "neon", "the package")
	flag.Parse()
	generate, ok := generators[*what]
	if !ok {
		log.Fatalf("no kernels %q", *what)
	}
	a := arm64.New()
	more := generate(a)
	if err := a.WriteAsm(*out); err != nil {
		log.Fatal(err)
	}
	if err := a.WriteDecls(*decls, *pkg, more); err != nil {
		log.Fatal(err)
	}
}
