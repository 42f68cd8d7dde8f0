// Package loop finds the loops of disassembled functions.
package loop

import "slices"

// Instruction is one of a disassembled function.
type Instruction struct {
	Addr   uint64
	Text   string
	Target uint64 // of a branch within the function; 0 for others
}

// Loop is the code from the target of a branch backwards to that branch.
type Loop struct {
	First, Last int // instructions
	Inner       []*Loop
}

// Len is the number of instructions.
func (l *Loop) Len() int { return l.Last - l.First + 1 }

// Find returns the loops of a function that are in no other.
func Find(code []Instruction) (top []*Loop) {
	var all []*Loop
	for i, in := range code {
		if in.Target == 0 || in.Target > in.Addr {
			continue
		}
		first := slices.IndexFunc(code, func(c Instruction) bool { return c.Addr == in.Target })
		if first > 0 { // a branch to the begin asks for more stack
			all = append(all, &Loop{First: first, Last: i})
		}
	}
	slices.SortFunc(all, func(a, b *Loop) int { return b.Len() - a.Len() })
	for _, l := range all {
		list := &top
		for i := 0; i < len(*list); i++ {
			if o := (*list)[i]; o.First <= l.First && l.Last <= o.Last {
				list, i = &o.Inner, -1
			}
		}
		*list = append(*list, l)
	}
	return top
}

// Longest returns the longest of some loops.
func Longest(loops []*Loop) *Loop {
	return slices.MaxFunc(loops, func(a, b *Loop) int { return a.Len() - b.Len() })
}

// Trace lists the instructions that one iteration of a loop executes when
// those inside are iterated some number of times and no other branch is taken.
func Trace(code []Instruction, l *Loop, times func(*Loop) int) (lines []string) {
	for i := l.First; i <= l.Last; {
		next := slices.IndexFunc(l.Inner, func(in *Loop) bool { return in.First == i })
		if next < 0 {
			lines = append(lines, code[i].Text)
			i++
			continue
		}
		in := l.Inner[next]
		body := Trace(code, in, times)
		for range times(in) {
			lines = append(lines, body...)
		}
		i = in.Last + 1
	}
	return lines
}
