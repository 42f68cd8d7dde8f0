package bench

import (
	"cmp"
	"fmt"
	"strconv"

	"qgo/gguf/show"
)

// OpHeads are the headings of [Op.Figures].
var OpHeads = []string{"operation", "of time", "ms/token", "GB/s", "GFLOP/s", "bound, ms", "of it"}

// Figures are the texts of an operation under [OpHeads], fit to be shown, in a phase
// of which all is the sum. What is not known is empty.
func (o *Op) Figures(all *Op) []string {
	texts := []string{show.Text(o.Op), "", fixed(o.NS/1e6, 4), "", "", "", ""}
	if all.NS > 0 {
		texts[1] = fixed(100*o.NS/all.NS, 1) + " %"
	}
	if o.BoundNS > 0 && o.NS > 0 {
		texts[3], texts[4], texts[5] = fixed(o.Bytes/o.NS, 1), fixed(o.FLOP/o.NS, 1), fixed(o.BoundNS/1e6, 4)
		texts[6] = fixed(100*o.OfBound(), 0) + " %"
	}
	return texts
}

// fixed is a number with digits after the point. Of one that no operation can have
// the power of ten is shown.
func fixed(v float64, digits int) string {
	const longest = 1e12
	if v >= longest {
		return strconv.FormatFloat(v, 'g', 4, 64)
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// OpVerdict says which operation takes the largest part of the time of a phase, of which the
// last is the sum, and how near its bound it is.
func OpVerdict(ops []Op) string {
	all := &ops[len(ops)-1]
	most := all
	for i := range ops[:len(ops)-1] {
		if o := &ops[i]; most == all || o.NS > most.NS {
			most = o
		}
	}
	texts := most.Figures(all)
	text := fmt.Sprintf("%s takes the largest part of the time of %s, %s", texts[0], show.Text(all.Phase), texts[1])
	if of := texts[len(texts)-1]; of != "" {
		return text + ", and reaches " + of + " of its bound."
	}
	return text + ", and has no bound."
}

// ProfileCost says how much longer repetitions took with the profile, by the sum of
// a phase; it is empty if that is not known.
func (o *Op) ProfileCost() string {
	if o.Pairs == 0 {
		return ""
	}
	percent := func(ratio float64) string { return fixed(100*(ratio-1), 1) }
	return fmt.Sprintf("profiling took %s %% (quartiles %s to %s of %d pairs)", percent(o.Ratio), percent(o.RatioLow), percent(o.RatioHigh), o.Pairs)
}

// OpSubject is [Result.Subject] of one of the phases of [Result.OpPhases].
func (r *Result) OpSubject(phase string, varying []string) string {
	return fmt.Sprintf("%s of %s (%s)", show.Text(phase), cmp.Or(r.Words(LabelModel), "an unnamed model"), r.Details(varying))
}
