package bench

// BestThread is the number of threads with which a test is fastest, where
// more make it slower.
type BestThread struct {
	Test
	Model   string
	Threads int
	Most    int     // threads tried
	Loss    float64 // share of the rate that is lost with so many
}

// worthSaying is the loss from which on [BestThreads] lists a test.
const worthSaying = 0.03

// BestThreads finds the tests of a sweep over threads that are slower with all
// of them: decode is when memory binds it.
func BestThreads(results []*Result) (all []BestThread) {
	type key struct {
		Test
		model string
		batch int
	}
	best, most := map[key]*Result{}, map[key]*Result{}
	var order []key
	for _, r := range results {
		if r.Engine != "qgo" || !r.onCPU() {
			continue
		}
		k := key{r.Test(), r.ModelFilename, r.Batch}
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
			all = append(all, BestThread{k.Test, k.model, b.Threads, m.Threads, loss})
		}
	}
	return all
}
