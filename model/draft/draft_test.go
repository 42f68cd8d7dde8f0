package draft

import (
	"math"
	"math/rand/v2"
	"reflect"
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
		text []int32
		want Guess
	}{
		{nil, Guess{}},
		{[]int32{1}, Guess{}},
		{[]int32{1, 2, 3}, Guess{}},
		{[]int32{1, 2, 3, 1}, Guess{}}, // one token is too little
		{[]int32{1, 2, 3, 1, 2}, Guess{Next: []int32{3, 1, 2}, Match: 2}},
		{[]int32{1, 2, 3, 9, 1, 2, 4, 9, 1, 2}, Guess{Next: []int32{4, 9, 1, 2}, Match: 3}},                // the latest, by "9 1 2"
		{[]int32{1, 2, 3, 5, 7, 2, 3, 6, 1, 2, 3}, Guess{Next: []int32{5, 7, 2, 3, 6, 1, 2, 3}, Match: 3}}, // the longer, not the latest
		{[]int32{1, 2, 3, 8, 1, 2, 4, 1, 2}, Guess{Next: []int32{4, 1, 2}, Match: 2, Other: true}},         // of two as long the latest
		{[]int32{1, 2, 3, 4, 8, 1, 2, 3, 1, 2}, Guess{Next: []int32{3, 1, 2}, Match: 2, Other: true, Agreed: 1}},
		// More than the sequence that is looked up tells which is the right one.
		{[]int32{6, 1, 2, 3, 4, 5, 7, 1, 2, 3, 4, 8, 6, 1, 2, 3, 4}, Guess{Next: []int32{5, 7, 1, 2, 3, 4, 8, 6, 1, 2, 3, 4}, Match: 5, Other: true}},
		{[]int32{7, 7, 7}, Guess{Next: []int32{7}, Match: 2}},
		{[]int32{7, 7, 7, 7, 7, 7}, Guess{Next: []int32{7}, Match: 5, Other: true, Agreed: 1}},
	} {
		if got := text(test.text...).Find(); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: %+v, want %+v", test.text, got, test.want)
		}
	}
}

// TestFindAll compares with a search through the text, of which the table may only
// forget, by hashes that meet.
func TestFindAll(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	l := NewLookup(3000)
	found, missed, others := 0, 0, 0
	for range 3 {
		l.Reset()
		for range 3000 {
			l.Add(int32(rng.IntN(12)))
			got, want := l.Find(), search(l.tokens)
			if want.Match > 0 {
				found++
			}
			if want.Other {
				others++
			}
			if !reflect.DeepEqual(got, want) {
				missed++
			}
			if got.Match > want.Match || got.Agreed > 0 && !got.Other {
				t.Fatalf("%+v, which is not in the text: want %+v", got, want)
			}
			if got.Match > 0 && (got.Match < shortest || l.match(len(l.tokens)-len(got.Next)) != got.Match) {
				t.Fatalf("%+v is no match", got)
			}
		}
	}
	if missed*20 > found || others < found/2 {
		t.Errorf("missed %d of %d, %d with another", missed, found, others)
	}
}

// search goes through the whole text for what Find finds.
func search(tokens []int32) (g Guess) {
	for n := min(longest, len(tokens)); n >= shortest; n-- {
		end := tokens[len(tokens)-n:]
		var places []int // after the latest occurrences
		for at := len(tokens) - 1; at >= n && len(places) < tries; at-- {
			if slices.Equal(tokens[at-n:at], end) {
				places = append(places, at)
			}
		}
		if len(places) == 0 {
			continue
		}
		match := func(at int) (n int) {
			for n < min(at, maxMatch) && tokens[at-1-n] == tokens[len(tokens)-1-n] {
				n++
			}
			return n
		}
		slices.SortStableFunc(places, func(a, b int) int { return match(b) - match(a) })
		g = Guess{Next: tokens[places[0]:], Match: match(places[0]), Other: len(places) > 1}
		if g.Other {
			g.Agreed = alike(g.Next, tokens[places[1]:])
		}
		return g
	}
	return g
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

// long is a guess after a long match.
func long(id int32) Guess { return Guess{Next: slices.Repeat([]int32{id}, 100), Match: 20} }

func TestPolicy(t *testing.T) {
	p := NewPolicy()
	weak := long(1)
	if weak.Match, weak.Other = 2, true; p.Length(weak, 8) != 0 {
		t.Errorf("a weak match: a draft of %d", p.Length(weak, 8))
	}
	if n := p.Length(Guess{}, 8); n != 0 {
		t.Errorf("no guess: a draft of %d", n)
	}
	if n := p.Length(long(1), 8); n < 3 {
		t.Errorf("a long match: a draft of %d", n)
	}
	if n := p.Length(long(1), 2); n != 2 {
		t.Errorf("with room for 2: a draft of %d", n)
	}
	short := long(1)
	if short.Next = short.Next[:1]; p.Length(short, 8) != 1 {
		t.Errorf("with one token: a draft of %d", p.Length(short, 8))
	}
	for range 200 {
		p.Came(long(1), 2)
		p.Came(Guess{}, 2)
	}
	if n := p.Length(long(1), 8); n != 0 {
		t.Errorf("after guesses that were wrong: a draft of %d", n)
	}
	for range 200 {
		p.Came(long(1), 1)
	}
	if n := p.Length(long(1), 100); n != MaxTokens {
		t.Errorf("after guesses that were right: a draft of %d", n)
	}
	// Rows that cost as much as a pass are never worth it.
	for range 200 {
		p.Took(1, 10*time.Millisecond)
		p.Took(5, 50*time.Millisecond)
	}
	if n := p.Length(long(1), 8); n != 0 {
		t.Errorf("where rows cost as much as passes: a draft of %d", n)
	}
	for range 200 {
		p.Took(5, 11*time.Millisecond)
	}
	if n := p.Length(long(1), 8); n != 8 {
		t.Errorf("where rows cost nothing: a draft of %d", n)
	}
	before := *p
	p.Took(1, time.Hour)
	if p.one > before.one*1.1 {
		t.Errorf("one pass that was held up makes %v of %v", p.one, before.one)
	}
}

// TestPolicySupport tells guesses by what followed the text's end another time, and
// ends a draft where the two part.
func TestPolicySupport(t *testing.T) {
	p := NewPolicy()
	g := long(1)
	g.Match, g.Other, g.Agreed = 4, true, 3
	if n := p.Length(g, 8); n != 3 {
		t.Errorf("agreed on 3 tokens: a draft of %d", n)
	}
	for range 200 {
		g.Agreed = 0
		p.Came(g, 2) // what is disputed is wrong
		g.Agreed = 3
		p.Came(g, 1)
	}
	if g.Agreed = 0; p.Length(g, 8) != 0 {
		t.Errorf("disputed, and always wrong: a draft of %d", p.Length(g, 8))
	}
	if g.Agreed = 1; p.Length(g, 8) != 1 {
		t.Errorf("agreed on a token, and always right: a draft of %d", p.Length(g, 8))
	}
	if alone := (Guess{Next: g.Next, Match: 4}); *p.share(alone, 0) != *NewPolicy().share(alone, 0) {
		t.Errorf("the share of guesses that stand alone is %v", *p.share(alone, 0))
	}
}

// TestPolicySteps wants long drafts or none where a second row costs as much as the first,
// and the others hardly anything.
func TestPolicySteps(t *testing.T) {
	p := NewPolicy()
	p.Took(1, 10*time.Millisecond)
	for range 60 {
		p.Took(2, 20*time.Millisecond)
		p.Took(16, 26*time.Millisecond)
	}
	for rows, want := range map[int]float64{0: 1, 1: 2, 8: 2.3, 15: 2.6} {
		if got := p.cost(rows); math.Abs(got-want) > 0.05 {
			t.Errorf("a pass with %d further rows costs %v, want %v", rows, got, want)
		}
	}
	if n := p.Length(long(1), MaxTokens); n != MaxTokens {
		t.Errorf("a long match: a draft of %d", n)
	}
	short := long(1)
	if short.Next = short.Next[:1]; p.Length(short, MaxTokens) != 0 {
		t.Errorf("one token: a draft of %d", p.Length(short, MaxTokens))
	}
}
