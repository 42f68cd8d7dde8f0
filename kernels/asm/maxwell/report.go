package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// counted is a kernel whose work is counted.
type counted struct {
	*kernel
	work work
}

// report is what is known about all kernels.
type report struct {
	kernels []*kernel
	decode  []counted // matvec1 of each type
	prefill []counted // gemm of each type and tiling
	attend  counts    // of a product
}

// newReport assembles and counts all kernels of a directory.
func newReport(t toolkit, dir string) (*report, error) {
	files, err := find(dir)
	if err != nil {
		return nil, err
	}
	r := &report{}
	for _, f := range files {
		kernels, err := t.assemble(f)
		if err != nil {
			return nil, err
		}
		r.kernels = append(r.kernels, kernels...)
	}
	for _, k := range r.kernels {
		if err := r.add(k); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// add counts the work of a kernel of those that matter most.
func (r *report) add(k *kernel) (err error) {
	c := counted{kernel: k}
	switch {
	case strings.HasPrefix(k.name, "matvec1_"):
		c.work, err = k.matvec()
		r.decode = append(r.decode, c)
	case k.name == kernelAttend64:
		r.attend, err = k.attention()
	}
	for _, t := range tilings {
		if err == nil && strings.HasPrefix(k.name, t.kernel) {
			c.work, err = k.gemm(t)
			r.prefill = append(r.prefill, c)
		}
	}
	return err
}

// share is the part of the slots that pass in which a thread makes products.
func (c counted) share() float64 { return 1 / c.work.perProduct().bound() }

func (r *report) predictor() *predictor {
	p := &predictor{work: map[string]work{}, attend: r.attend.bound()}
	for _, c := range append(r.decode, r.prefill...) {
		p.work[c.name] = c.work
	}
	return p
}

// print writes all counts.
func (r *report) print(out io.Writer) {
	fmt.Fprintln(out, "Kernels: registers and bytes of local memory of a thread, bytes of shared memory of a block, warps of 64 on the SM")
	for _, k := range r.kernels {
		fmt.Fprintf(out, "%-16s %4d %4d %6d %3d\n", k.name, k.registers, k.local, k.shared, k.warps())
	}
	header := func(first, last string) {
		fmt.Fprintf(out, "%-16s %6s %8s %6s %s %5s", first, "issued", "weighted", "moved", last, "once")
		for _, name := range classNames {
			fmt.Fprintf(out, " %7s", name)
		}
		fmt.Fprintln(out)
	}
	line := func(c counted, last string) {
		n := c.work.perProduct()
		fmt.Fprintf(out, "%-16s %6.2f %8.2f %6.2f %s", c.name, n.instructions(), n.weighted, n.memory, last)
		fmt.Fprintf(out, " %5.0f", c.work.once.bound())
		for _, raw := range n.raw {
			fmt.Fprintf(out, " %7.2f", raw)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintln(out, "\nDecode: lane operations for a weight, and what there is time for while memory gives it; instructions by class")
	header("", "budget")
	for _, c := range r.decode {
		line(c, fmt.Sprintf("%6.2f", budget(typeOf(c.kernel))))
	}
	fmt.Fprintln(out, "\nPrefill: lane operations for a product, and the share of multiplications in them; instructions by class")
	header("", " share")
	for _, c := range r.prefill {
		line(c, fmt.Sprintf("%4.0f %%", 100*c.share()))
	}
	fmt.Fprintf(out, "\nAttention: lane operations for a product, in the loops that make them: %.2f (%s)\n", r.attend.bound(), kernelAttend64)
}

// printCounts writes a line for each kernel: its bound.
func (r *report) printCounts(out io.Writer) {
	fmt.Fprintln(out, "# Lane operations for a product: go -C kernels/asm run ./maxwell -counts")
	for _, c := range append(r.decode, r.prefill...) {
		fmt.Fprintf(out, "%s %.2f\n", c.name, c.work.perProduct().bound())
	}
}

// checkKernels returns an error that names the kernels with local memory, and
// those that cannot be launched.
func (r *report) checkKernels() error {
	var errs []error
	for _, k := range r.kernels {
		if k.warps() == 0 {
			errs = append(errs, fmt.Errorf("%s cannot be launched: a block takes %d registers a thread and %d bytes of shared memory", k.name, k.registers, k.shared))
		}
		if k.local > 0 {
			errs = append(errs, fmt.Errorf("%s keeps %d bytes of a thread in local memory: unroll its loops over arrays, or have it hold less", k.name, k.local))
		}
	}
	return errors.Join(errs...)
}

// check compares with the counts that a text states.
func (r *report) check(out io.Writer, stated string) error {
	limits := map[string]float64{}
	for _, l := range strings.Split(stated, "\n") {
		name, value, ok := strings.Cut(l, " ")
		if !ok || name == "#" {
			continue
		}
		limit, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return fmt.Errorf("counts.txt: %q is not a name and a number", l)
		}
		limits[name] = limit
	}
	errs := []error{r.checkKernels()}
	all := append(r.decode, r.prefill...)
	for _, c := range all {
		limit, ok := limits[c.name]
		n := c.work.perProduct().bound()
		delete(limits, c.name)
		switch {
		case !ok:
			errs = append(errs, fmt.Errorf("counts.txt states nothing of %s: write it anew with -counts", c.name))
		case n > limit+0.005: // it is rounded
			errs = append(errs, fmt.Errorf("%s: %.2f lane operations for a product, %.2f are stated in counts.txt", c.name, n, limit))
		}
	}
	for name := range limits {
		errs = append(errs, fmt.Errorf("counts.txt states %s, which is no kernel: write it anew with -counts", name))
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d kernels without local memory, %d of them with no more operations than stated\n", len(r.kernels), len(all))
	return nil
}
