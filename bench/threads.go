package bench

import (
	"slices"
	"strings"
)

// BestThread is the number of threads with which a test is fastest, where
// more make it slower.
type BestThread struct {
	*Result         // the fastest
	Most    int     // threads tried
	Loss    float64 // share of the rate that is lost with so many
}

// worthSaying is the loss from which on [BestThreads] lists a test.
const worthSaying = 0.03

// BestThreads finds the tests of a sweep over threads that are slower with all
// of them: decode is when memory binds it.
func BestThreads(results []*Result) (all []BestThread) {
	best, most := map[string]*Result{}, map[string]*Result{}
	var order []string
	for _, r := range results {
		if r.Engine != "qgo" || !r.onCPU() {
			continue
		}
		k := r.except(LabelThreads)
		if best[k] == nil {
			order = append(order, k)
		}
		if b := best[k]; b == nil || r.Rates().Median() > b.Rates().Median() {
			best[k] = r
		}
		if m := most[k]; m == nil || r.Threads > m.Threads {
			most[k] = r
		}
	}
	for _, k := range order {
		b, m := best[k], most[k]
		if loss := 1 - m.Rates().Median()/b.Rates().Median(); b.Threads < m.Threads && loss > worthSaying {
			all = append(all, BestThread{b, m.Threads, loss})
		}
	}
	return all
}

// except is a result's identity but for some labels.
func (r *Result) except(names ...string) string {
	labels := slices.DeleteFunc(r.Labels(), func(l Label) bool { return slices.Contains(names, l.Name) })
	values := []string{r.ModelFilename}
	for _, l := range labels {
		values = append(values, l.Value)
	}
	return strings.Join(values, "\n")
}
