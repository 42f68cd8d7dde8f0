package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"qgo/bench"
	"qgo/bench/roofline"
)

func (r *rooflineReport) print(w io.Writer, parts bool) {
	m := &r.Machine
	fmt.Fprintf(w, "%s on %s\n\n", r.Model, m.Title)
	fmt.Fprintf(w, "machine   %.1f GB/s; ridge in FLOP/byte: %s\n", m.Bandwidth/1e9, peaksText(m))
	if c := r.Ceilings; c != nil {
		fmt.Fprintf(w, "          measured with %s, best (median) GB/s: read %.1f (%.1f),\n          copy %.1f (%.1f), triad %.1f (%.1f)\n",
			bench.Threads(c.Threads), c.Read.Best/1e9, c.Read.Median/1e9, c.Copy.Best/1e9, c.Copy.Median/1e9, c.Triad.Best/1e9, c.Triad.Median/1e9)
	}
	if g := r.GPU; g != nil {
		fmt.Fprintf(w, "          measured, best (median) GB/s: read %.1f (%.1f), copy %.1f (%.1f);\n          a launch takes %.2f µs, so that 1000 kernels a token allow %.0f t/s\n",
			g.Read.Best/1e9, g.Read.Median/1e9, g.Copy.Best/1e9, g.Copy.Median/1e9, 1e6/g.Launches.Best, g.Launches.Best/1000)
	}
	fmt.Fprintf(w, "a token   reads %s, and %s for each token before it;\n", bytesText(r.Cost.Weights), bytesText(r.Cost.KVRow))
	fmt.Fprintf(w, "          computes %.3g GFLOP (%.3g in a prompt) and %.2g MFLOP likewise\n\n",
		float64(r.Cost.FLOP(0))/1e9, 2*float64(r.Cost.MACs-r.Cost.Head)/1e9, 2*float64(r.Cost.KVMACs)/1e6)
	fmt.Fprintf(w, "%-8s %7s %6s %7s %11s %13s   %s\n", "phase", "tokens", "batch", "depth", "FLOP/byte", "bound, t/s", "bound by")
	for _, p := range r.Prefill {
		fmt.Fprintf(w, "%-8s %7d %6d %7d %11.1f %13.1f   %s\n", "prefill", p.Tokens, p.Batch, p.Depth, p.Intensity, p.Rate, p.Binds)
	}
	for _, p := range r.Decode {
		fmt.Fprintf(w, "%-8s %7d %6d %7d %11.1f %13.1f   %s\n", "decode", p.Tokens, 1, p.Depth, p.Intensity, p.Rate, p.Binds)
	}
	r.printFit(w)
	r.printObserved(w)
	if parts {
		r.printParts(w)
	}
}

// peaksText lists the known peaks with the ridge of each.
func peaksText(m *roofline.Machine) string {
	var list []string
	for _, p := range []struct {
		name string
		rate float64
	}{{"fp32", m.FP32}, {"16-bit", m.FP16}, {"int8", m.INT8}} {
		if p.rate > 0 {
			list = append(list, fmt.Sprintf("%.1f for %s in %s", p.rate/m.Bandwidth, rateText(p.rate), p.name))
		}
	}
	return strings.Join(list, ",\n          ")
}

// rateText writes operations a second.
func rateText(r float64) string {
	if r >= 1e12 {
		return fmt.Sprintf("%.3g TFLOP/s", r/1e12)
	}
	return fmt.Sprintf("%.3g GFLOP/s", r/1e9)
}

func (r *rooflineReport) printFit(w io.Writer) {
	if r.Machine.Memory == 0 {
		return
	}
	f := r.Fit
	fmt.Fprintf(w, "\nmemory    %s of %s with a context of %d: ", bytesText(f.Need), bytesText(f.Available), f.Context)
	switch {
	case f.Fits():
		fmt.Fprintf(w, "fits, up to %d\n", f.LongestContext)
	case f.LongestContext > 0:
		fmt.Fprintf(w, "does not fit; %d does\n", f.LongestContext)
	default:
		fmt.Fprintln(w, "does not fit")
	}
	if !f.Fits() {
		fmt.Fprintf(w, "          it would read %s a token from storage of %.0f MB/s and decode at\n          %.2f t/s or less\n",
			bytesText(f.Over()), r.Machine.Storage/1e6, r.Swapped)
	}
}

func (r *rooflineReport) printObserved(w io.Writer) {
	m := &r.Machine
	if o := r.ObservedPrefill; o != nil {
		b := r.Prefill[0]
		fmt.Fprintf(w, "\nobserved  prefill at %s t/s computes %s\n", exact(o.Rate), rateText(o.FLOPS))
		printShares(w, m, o)
		fmt.Fprintf(w, "          bound by %s: %.0f FLOP per byte%s\n", b.Binds, b.Intensity, ridgeText(m))
		fmt.Fprintf(w, "          and would read %.2f GB/s, %.1f %% of the bandwidth\n", o.Bytes/1e9, 100*o.OfMemory)
		printVerdict(w, o, b.Bound)
	}
	if o := r.ObservedDecode; o != nil {
		b := r.Decode[0]
		fmt.Fprintf(w, "\nobserved  decode at %s t/s reads %.1f GB/s, %.0f %% of %.1f GB/s\n", exact(o.Rate), o.Bytes/1e9, 100*o.OfMemory, m.Bandwidth/1e9)
		fmt.Fprintf(w, "          bound by %s: %.1f FLOP per byte%s\n", b.Binds, b.Intensity, ridgeText(m))
		fmt.Fprintf(w, "          and computes %s\n", rateText(o.FLOPS))
		printShares(w, m, o)
		printVerdict(w, o, b.Bound)
	}
}

func ridgeText(m *roofline.Machine) string {
	if m.FP32 == 0 {
		return ""
	}
	return fmt.Sprintf(" against a ridge of %.1f in fp32", m.FP32/m.Bandwidth)
}

// exact writes a rate with the digits that it was given with.
func exact(rate float64) string { return strconv.FormatFloat(rate, 'f', -1, 64) }

func printShares(w io.Writer, m *roofline.Machine, o *roofline.Observed) {
	if m.FP32 == 0 {
		return
	}
	fmt.Fprintf(w, "          which is %.0f %% of the fp32 peak", 100*o.OfFP32)
	if peak, typ := m.Peak(); peak > m.FP32 {
		fmt.Fprintf(w, " and %.0f %% of that in %s", 100*o.OfPeak, typ)
	}
	fmt.Fprintln(w)
}

func printVerdict(w io.Writer, o *roofline.Observed, b roofline.Bound) {
	if o.Impossible {
		fmt.Fprintf(w, "          IMPOSSIBLE: that is %.1f times the bound of %.1f t/s\n", o.OfBound, b.Rate)
		return
	}
	fmt.Fprintf(w, "          that is %.0f %% of the bound of %.1f t/s\n", 100*o.OfBound, b.Rate)
}

func (r *rooflineReport) printParts(w io.Writer) {
	fmt.Fprintf(w, "\n%-20s %-7s %5s %11s %11s %9s\n", "tensor", "type", "count", "weights", "read", "MFLOP")
	for _, p := range r.Parts {
		fmt.Fprintf(w, "%-20s %-7s %5d %11d %11s %9.2f\n", strings.TrimSuffix(p.Name, ".weight"), p.Type, p.Tensors, p.Weights, bytesText(p.Read), float64(p.FLOP)/1e6)
	}
	d := r.Decode[0]
	fmt.Fprintf(w, "%-20s %-7s %5s %11s %11s %9.2f\n", fmt.Sprintf("KV cache at %d", d.Depth), "", "", "", bytesText(int64(d.Depth)*r.Cost.KVRow), 2*float64(int64(d.Depth)*r.Cost.KVMACs)/1e6)
}
