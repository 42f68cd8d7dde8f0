package draft

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// text adds tokens one by one.
func text(ids ...int32) *Lookup {
	l := NewLookup(len(ids))
	for _, id := range ids {
		l.Add(id)
	}
	return l
}

func TestFind(t *testing.T) {
	for _, test := range []struct {
		text, next []int32
		match      int
	}{
		{nil, nil, 0},
		{[]int32{1}, nil, 0},
		{[]int32{1, 2, 3}, nil, 0},
		{[]int32{1, 2, 3, 1}, nil, 0}, // one token is too little
		{[]int32{1, 2, 3, 1, 2}, []int32{3, 1, 2}, 2},
		{[]int32{1, 2, 3, 9, 1, 2, 4, 9, 1, 2}, []int32{4, 9, 1, 2}, 3},                // the latest, by "9 1 2"
		{[]int32{1, 2, 3, 5, 7, 2, 3, 6, 1, 2, 3}, []int32{5, 7, 2, 3, 6, 1, 2, 3}, 3}, // the longer, not the latest
		{[]int32{7, 7, 7}, []int32{7}, 2},
		{[]int32{7, 7, 7, 7, 7, 7}, []int32{7}, 5},
	} {
		next, match := text(test.text...).Find()
		if !slices.Equal(next, test.next) || match != test.match {
			t.Errorf("%v: %v, %d, want %v, %d", test.text, next, match, test.next, test.match)
		}
	}
}

// TestFindAll compares with a search through the text, of which the table may only
// forget, by hashes that meet.
func TestFindAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := NewLookup(3000)
	found, missed := 0, 0
	for range 3 {
		l.Reset()
		for range 3000 {
			l.Add(int32(rng.IntN(12)))
			next, match := l.Find()
			want := search(l.tokens)
			if want == 0 && next != nil {
				t.Fatalf("finds %d tokens before %v that are not there", match, next)
			}
			if want > 0 {
				found++
			}
			if next == nil && want > 0 {
				missed++
			}
			if next != nil && (match < shortest || l.match(len(l.tokens)-len(next)) != match) {
				t.Fatalf("a match of %d at %d is none", match, len(l.tokens)-len(next))
			}
		}
	}
	if missed*20 > found {
		t.Errorf("missed %d of %d", missed, found)
	}
}

// search is the position after the latest occurrence of the longest end that is
// looked up, 0 for none.
func search(tokens []int32) int {
	for n := min(longest, len(tokens)); n >= shortest; n-- {
		end := tokens[len(tokens)-n:]
		for at := len(tokens) - 1; at >= n; at-- {
			if slices.Equal(tokens[at-n:at], end) {
				return at
			}
		}
	}
	return 0
}

func TestLookupAllocates(t *testing.T) {
	l := NewLookup(4000)
	if n := testing.AllocsPerRun(1000, func() {
		l.Add(int32(len(l.tokens) % 7))
		l.Find()
	}); n != 0 {
		t.Errorf("%v allocations a token", n)
	}
}

func TestPolicy(t *testing.T) {
	p := NewPolicy()
	if n := p.Length(2, 8); n != 0 {
		t.Errorf("a weak match: a draft of %d", n)
	}
	if n := p.Length(20, 8); n < 3 {
		t.Errorf("a long match: a draft of %d", n)
	}
	if n := p.Length(20, 2); n != 2 {
		t.Errorf("with room for 2: a draft of %d", n)
	}
	for range 200 {
		p.Guessed(20, false)
	}
	if n := p.Length(20, 8); n != 0 {
		t.Errorf("after guesses that were wrong: a draft of %d", n)
	}
	for range 200 {
		p.Guessed(20, true)
	}
	if n := p.Length(20, 100); n != MaxTokens {
		t.Errorf("after guesses that were right: a draft of %d", n)
	}
	// Rows that cost as much as a pass are never worth it.
	for range 200 {
		p.Took(1, 10*time.Millisecond)
		p.Took(5, 50*time.Millisecond)
	}
	if n := p.Length(20, 8); n != 0 {
		t.Errorf("where rows cost as much as passes: a draft of %d", n)
	}
	for range 200 {
		p.Took(5, 11*time.Millisecond)
	}
	if n := p.Length(20, 8); n != 8 {
		t.Errorf("where rows cost nothing: a draft of %d", n)
	}
	before := *p
	p.Took(1, time.Hour)
	if p.one > before.one*1.1 {
		t.Errorf("one pass that was held up makes %v of %v", p.one, before.one)
	}
}
