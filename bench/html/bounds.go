package html

import (
	"fmt"
	"slices"
	"strings"
)

// boundTexts say what binds the results, once for each model: those of a phase
// that the same thing binds stand together.
func boundTexts(all []run, l limits) (texts []string) {
	type key struct{ who, why string }
	groups := map[key][]run{}
	var order []key
	who := nameBy(all, []dim{dimModel, dimEngine, dimMachine, dimDevice})
	for _, r := range all {
		why := r.why()
		if why == "" {
			continue
		}
		k := key{who(r), why}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], r)
	}
	for i, k := range order {
		if i == l.bounds {
			return append(texts, fmt.Sprintf("%s more are in the table", count(len(order)-i, "group")))
		}
		texts = append(texts, fmt.Sprintf("%s: %s in %s%s", k.who, k.why, testList(groups[k]), shareText(groups[k])))
	}
	return texts
}

// why is what binds a result, in words that are the same for all results that
// the same thing binds.
func (r run) why() string {
	switch {
	case r.apart:
		return r.phase() + " is above its bound, which is impossible (the timing or the count of bytes is wrong),"
	case r.Measured == nil || r.OfMeasured <= 0:
		return ""
	case r.Cached():
		return r.phase() + " is faster than memory reads (the model stays in the caches)"
	}
	return r.phase() + " is bound by " + r.BoundBy()
}

// testList names the tests of results once each, and in what else they differ.
func testList(all []run) string {
	text := someOf(all, func(r run) string { return r.test() })
	for _, d := range []dim{dimThreads, dimBatch, dimKV} {
		if distinct(all, []dim{d}) > 1 {
			text += "; " + someOf(all, func(r run) string { return r.values[d] })
		}
	}
	return text
}

// someOf lists the different names of results, or the first of them.
func someOf(all []run, name func(run) string) string {
	const most = 8
	var names []string
	for _, r := range all {
		if n := name(r); n != "" && !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

// shareText says how near to their bounds results come.
func shareText(all []run) string {
	lo, hi := all[0], all[0]
	for _, r := range all {
		if r.OfMeasured < lo.OfMeasured {
			lo = r
		}
		if r.OfMeasured > hi.OfMeasured {
			hi = r
		}
	}
	if hi.OfMeasured <= 0 || all[0].apart {
		return ""
	}
	least, most := fmt.Sprintf("%.0f", 100*lo.OfMeasured), fmt.Sprintf("%.0f", 100*hi.OfMeasured)
	if least == most {
		return ": " + most + " % of the bound"
	}
	name := namer(all, dimModel, dimEngine, dimMachine, dimDevice)
	return fmt.Sprintf(": %s to %s %% of the bound (least in %s)", least, most, name(lo))
}
