package bench

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"qgo/bench/machine"
	"qgo/gguf/show"
)

// subject is what two results must have in common to be compared. The kernels
// are not among it: they may be what is compared.
type subject struct {
	*Result
	labels []Label
	cpu    string
	// against is, of an engine that took turns with qgo, what it took turns
	// with: it may not know of qgo's batches and types itself.
	against string
}

// compared are the labels that may differ between results that are compared.
var compared = []string{LabelKernels, LabelRepack}

// subjects are those of a report. Across machines, CPUs and GPUs may differ.
func (r *Report) subjects(across bool) (all []subject) {
	free := append([]string{LabelSize}, compared...) // the size is compared by itself
	if across {
		free = append(free, LabelDevice)
	}
	ours := ""
	for _, res := range r.Results {
		s := subject{Result: res, cpu: res.CPUInfo}
		if across {
			s.cpu = ""
		}
		for _, l := range res.Labels() {
			if l.Name == LabelPower && l.Value == string(machine.AsIs) {
				l.Value = "" // which is as it is, too
			}
			if !slices.Contains(free, l.Name) {
				s.labels = append(s.labels, l)
			}
		}
		if res.Engine == "qgo" {
			ours = fmt.Sprint(s.labels)
		} else if res.Paired {
			s.against = ours
		}
		all = append(all, s)
	}
	return all
}

// same reports whether two results may be compared. What a file does not state
// is taken to be the same, but for the power mode: without one nothing was set.
func (s *subject) same(o *subject) bool {
	if s.cpu != o.cpu && s.cpu != "" && o.cpu != "" || s.against != o.against && s.against != "" && o.against != "" || !s.sameSize(o) {
		return false
	}
	for i, l := range s.labels {
		if v := o.labels[i].Value; l.Value != v && (l.Name == LabelPower || l.Value != "" && v != "") {
			return false
		}
	}
	return true
}

// roundedSize is how far apart, as a share, sizes of one file may be where a
// table has rounded one of them.
const roundedSize = 0.005

func (s *subject) sameSize(o *subject) bool {
	a, b := float64(s.ModelSize), float64(o.ModelSize)
	if a == 0 || b == 0 || a == b {
		return true
	}
	table := s.TestTime.IsZero() || o.TestTime.IsZero() // only tables have no times
	return table && math.Abs(a-b) <= roundedSize*max(a, b)
}

// twice finds two results of one report that have the same identity.
func twice(all []subject) error {
	seen := map[string]bool{}
	for _, s := range all {
		parts := []string{s.cpu, s.against, known(int(s.ModelSize))}
		for _, l := range s.labels {
			parts = append(parts, l.Value)
		}
		key := strings.Join(parts, "\n")
		if seen[key] {
			return fmt.Errorf("has %s more than once: it is not known which to compare", s.FullName())
		}
		seen[key] = true
	}
	return nil
}

// pair finds the partner of each result of two reports; -1 for none.
func pair(old, new []subject) (partners []int, err error) {
	taken := make([]int, len(old))
	for n := range new {
		partner := -1
		for o := range old {
			if !new[n].same(&old[o]) {
				continue
			}
			if partner >= 0 || taken[o] > 0 {
				return nil, fmt.Errorf("%s may be compared with more than one result: the files do not state enough", new[n].FullName())
			}
			partner = o
		}
		if partner >= 0 {
			taken[partner]++
		}
		partners = append(partners, partner)
	}
	return partners, nil
}

// ErrMachines means that two reports are of different machines.
var ErrMachines = errors.New("of different machines")

// MachineName is the machine's CPU and board.
func (r *Report) MachineName() string {
	name := cmp.Or(show.Text(r.Machine.CPU), "an unknown CPU")
	if r.Machine.Board != "" {
		name += " (" + show.Text(r.Machine.Board) + ")"
	}
	return name
}

// sameMachine reports whether two reports are of machines with the same CPU and
// board, as far as they state them.
func sameMachine(a, b *Report) bool {
	same := func(a, b string) bool { return a == b || a == "" || b == "" }
	return same(a.Machine.CPU, b.Machine.CPU) && same(a.Machine.Board, b.Machine.Board)
}
