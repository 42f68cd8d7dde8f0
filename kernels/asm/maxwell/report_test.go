package main

import (
	"io"
	"strings"
	"testing"
)

// sample is a report of one kernel of each kind.
func sample() *report {
	k := func(name string, bound float64) counted {
		return counted{&kernel{name: name, threads: 128, registers: 64}, work{products: 2, loop: counts{weighted: 2 * bound}}}
	}
	r := &report{decode: []counted{k("matvec1_Q4_0", 4.13)}, prefill: []counted{k("gemm64_Q4_0", 1.38)}}
	for _, c := range append(r.decode, r.prefill...) {
		r.kernels = append(r.kernels, c.kernel)
	}
	return r
}

// TestCheck accepts the counts that are printed, and no others.
func TestCheck(t *testing.T) {
	r := sample()
	var stated strings.Builder
	r.printCounts(&stated)
	if err := r.check(io.Discard, stated.String()); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		strings.Replace(stated.String(), "4.13", "4.12", 1): "4.13 lane operations for a product, 4.12",
		"matvec1_Q4_0 4.13\n":                               "nothing of gemm64_Q4_0",
		stated.String() + "matvec1_Q9_0 1.00\n":             "matvec1_Q9_0, which is no kernel",
		"matvec1_Q4_0 much\n":                               `"matvec1_Q4_0 much" is not`,
	} {
		if err := r.check(io.Discard, text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	r.kernels[0].local = 8
	if err := r.check(io.Discard, stated.String()); err == nil || !strings.Contains(err.Error(), "matvec1_Q4_0 keeps 8 bytes") {
		t.Errorf("local memory: %v", err)
	}
	r.kernels[0].registers, r.kernels[0].threads = 64, 1024
	if err := r.check(io.Discard, stated.String()); err == nil || !strings.Contains(err.Error(), "matvec1_Q4_0 cannot be launched") {
		t.Errorf("a block that is too large: %v", err)
	}
}
