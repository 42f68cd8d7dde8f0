package main

import (
	"slices"
	"strings"
	"testing"
)

// program makes code of lines such as "subs" or "b.ne 2", which branches to
// instruction 2. A name is an instruction's text.
func program(lines ...string) (code []instruction) {
	for i, l := range lines {
		in := instruction{addr: uint64(4*i + 4), text: l}
		if _, to, ok := strings.Cut(l, " "); ok {
			in.target = uint64(4*int(to[0]-'0') + 4)
		}
		code = append(code, in)
	}
	return code
}

// TestTrace iterates loops within a loop and leaves out the branch to the begin
// of a function, which asks for more stack.
func TestTrace(t *testing.T) {
	code := program("check", "a", "b", "b.ne 2", "c", "d", "b.ne 5", "b.ne 1", "ret", "b 0")
	top := findLoops(code)
	if len(top) != 1 || top[0].first != 1 || top[0].last != 7 || len(top[0].inner) != 2 {
		t.Fatalf("loops %+v", top)
	}
	times := map[int]int{2: 3, 5: 1}
	got := trace(code, top[0], func(l *loop) int { return times[l.first] })
	want := strings.Fields("a b b.ne_2 b b.ne_2 b b.ne_2 c d b.ne_5 b.ne_1")
	for i := range got {
		got[i] = strings.ReplaceAll(got[i], " ", "_")
	}
	if !slices.Equal(got, want) {
		t.Errorf("the path is %v, want %v", got, want)
	}
}

// TestFloor takes the busiest unit, and divides by the work that was done.
func TestFloor(t *testing.T) {
	r := &result{instructions: 40, cycles: 30, uses: map[string]float64{"L": 8, "V": 24}}
	per := r.per(4)
	if per.floor() != 6 || per.cycles != 7.5 || per.instructions != 10 {
		t.Errorf("%+v with the floor %g", per, per.floor())
	}
}

func TestProduct(t *testing.T) {
	for text, want := range map[string]bool{
		"smull v0.8h, v1.8b, v2.8b": true, "smlal2 v0.8h, v1.16b, v2.16b": true, "sdot v0.4s, v1.16b, v2.16b": true,
		"usdot v0.4s, v1.16b, v2.4b[0]": true, "smmla v0.4s, v1.16b, v2.16b": true, "umull v0.8h, v1.8b, v2.8b": true,
		"mul x0, x1, x2": false, "fmla v0.4s, v1.4s, v2.4s": false, "sadalp v0.4s, v1.8h": false,
	} {
		if product.MatchString(text) != want {
			t.Errorf("%q is a product: %v", text, !want)
		}
	}
}
