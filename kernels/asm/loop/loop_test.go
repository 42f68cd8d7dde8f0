package loop

import (
	"slices"
	"strings"
	"testing"
)

// program makes code of lines such as "subs" or "b.ne 2", which branches to
// instruction 2. A name is an instruction's text.
func program(lines ...string) (code []Instruction) {
	for i, l := range lines {
		in := Instruction{Addr: uint64(4*i + 4), Text: l}
		if _, to, ok := strings.Cut(l, " "); ok {
			in.Target = uint64(4*int(to[0]-'0') + 4)
		}
		code = append(code, in)
	}
	return code
}

// TestTrace iterates loops within a loop and leaves out the branch to the begin
// of a function, which asks for more stack.
func TestTrace(t *testing.T) {
	code := program("check", "a", "b", "b.ne 2", "c", "d", "b.ne 5", "b.ne 1", "ret", "b 0")
	top := Find(code)
	if len(top) != 1 || top[0].First != 1 || top[0].Last != 7 || len(top[0].Inner) != 2 {
		t.Fatalf("loops %+v", top)
	}
	times := map[int]int{2: 3, 5: 1}
	got := Trace(code, top[0], func(l *Loop) int { return times[l.First] })
	want := strings.Fields("a b b.ne_2 b b.ne_2 b b.ne_2 c d b.ne_5 b.ne_1")
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " ", "_")
	}
	if !slices.Equal(got, want) {
		t.Errorf("the path is %v, want %v", got, want)
	}
}
