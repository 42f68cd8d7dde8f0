package html

import (
	"cmp"
	"fmt"
	"slices"

	"qgo/bench"
	"qgo/gguf/show"
	"qgo/kernels/plan"
)

// stack is a bar whose parts are shares of one whole.
type stack struct {
	Head  string `json:"head,omitempty"` // above this bar and those that follow
	Name  string `json:"name,omitempty"`
	Text  string `json:"text"`
	Parts []part `json:"parts"`
}

type part struct {
	Name   string  `json:"name"`
	Share  float64 `json:"share"` // of 1
	Label  string  `json:"label"` // stands in the bar after the name, if there is room
	Tip    string  `json:"tip"`
	Colour int     `json:"colour"` // of the operations' own
}

// opTable is what is known of the operations of a phase.
type opTable struct {
	Title, Verdict, Cost string
	Rows                 []opRow // the last is the sum
}

type opRow struct {
	Name    string
	Figures []string // under bench.OpHeads but the first
	Colour  int
	Sum     bool // of all operations
}

// profile is a phase of a result in which the time was counted by operation.
type profile struct {
	run
	ops  []bench.Op // in the order of the pass; the last is their sum
	all  *bench.Op
	head string // names what stands together: a phase of a test of a model
}

// opColours are the colours of operations, in the order of the pass.
var opColours = func() map[string]int {
	colours := map[string]int{}
	for op := range plan.Ops {
		colours[op.String()] = int(op)
	}
	return colours
}()

// opColour is the colour of an operation, grey for one that this program does not
// know.
func opColour(op *bench.Op) int {
	if i, ok := opColours[op.Op]; ok {
		return i
	}
	return grey
}

// profiles are the phases of the results whose operations were profiled.
func profiles(all []run) (list []profile) {
	for _, r := range all {
		for _, ops := range r.OpPhases() {
			n := len(ops) - 1
			p := profile{run: r, ops: slices.Clone(ops)}
			p.all = &p.ops[n]
			p.head = r.values[dimModel] + ", " + r.test() + ", " + show.Text(p.all.Phase)
			slices.SortStableFunc(p.ops[:n], func(a, b bench.Op) int {
				return cmp.Compare(uint(opColour(&a)), uint(opColour(&b))) // grey is the last
			})
			if p.sum() > 0 {
				list = append(list, p)
			}
		}
	}
	return list
}

// sum is the time of the operations, of which bars show shares. It differs from that
// by the clock around the phase by what rounding and the clocks' readings take.
func (p *profile) sum() (ns float64) {
	for _, op := range p.ops[:len(p.ops)-1] {
		ns += op.NS
	}
	return ns
}

// opsChart shows where the time of at most so many phases goes.
func opsChart(all []run, most int) *chart {
	list := profiles(all)
	if len(list) == 0 {
		return nil
	}
	byHead(list)
	name := profileNamer(list)
	c := &chart{
		Title:   "Where the time goes",
		Caption: "The time of a token by operation, in the order of the pass, in repetitions in which it was counted. The rates and latencies of the other plots are of repetitions without that. Short operations of a GPU may seem longer than they are.",
	}
	if left := len(list) - most; left > 0 {
		list = list[:most]
		c.Caption += fmt.Sprintf(" %s more are left out.", count(left, "phase"))
	}
	for i := range list {
		p := &list[i]
		s := p.stack(name(p.run))
		if i == 0 || p.head != list[i-1].head {
			s.Head = p.head
		}
		c.Stacks, c.Tables = append(c.Stacks, s), append(c.Tables, p.table(s.Name))
	}
	return c
}

// byHead brings profiles with the same head together.
func byHead(list []profile) {
	first := map[string]int{} // where a head is the first time
	for i := range list {
		if _, ok := first[list[i].head]; !ok {
			first[list[i].head] = i
		}
	}
	slices.SortStableFunc(list, func(a, b profile) int { return cmp.Compare(first[a.head], first[b.head]) })
}

// profileNamer tells profiles with the same head apart; names are empty if nothing
// but heads differs.
func profileNamer(list []profile) func(run) string {
	var shown []run
	for i := range list {
		shown = append(shown, list[i].run)
	}
	others := []dim{dimEngine, dimMachine, dimDevice, dimThreads, dimBatch, dimKV, dimKernels, dimBuild, dimFile, dimAgain}
	if distinct(shown, others) == 1 {
		return func(run) string { return "" }
	}
	return nameBy(shown, others)
}

func (p *profile) stack(name string) stack {
	s := stack{Name: name, Text: p.all.Figures(p.all)[2] + " ms/token"}
	sum := p.sum()
	for i := range p.ops[:len(p.ops)-1] {
		op := &p.ops[i]
		share := digits(op.NS / sum)
		if share <= 0 {
			continue
		}
		f := op.Figures(p.all)
		tip := fmt.Sprintf("%s of the time\n%s ms/token", f[1], f[2])
		if f[6] != "" {
			tip += fmt.Sprintf("\n%s GB/s, %s GFLOP/s\nbound %s ms, of which %s is reached", f[3], f[4], f[5], f[6])
		}
		s.Parts = append(s.Parts, part{Name: f[0], Share: share, Label: f[1], Tip: tip, Colour: opColour(op)})
	}
	return s
}

func (p *profile) table(name string) opTable {
	t := opTable{Title: p.head, Verdict: bench.OpVerdict(p.ops), Cost: p.all.ProfileCost()}
	if name != "" {
		t.Title += ", " + name
	}
	for i := range p.ops {
		op := &p.ops[i]
		f := op.Figures(p.all)
		t.Rows = append(t.Rows, opRow{f[0], f[1:], opColour(op), op == p.all})
	}
	return t
}
