package draft

import "time"

// MaxTokens is the length of the longest draft.
const MaxTokens = 15

// gain is how many times as fast a draft must promise to be to be worth it.
const gain = 1.1

// memory is the weight of the latest observation in a running mean.
const memory = 1.0 / 16

// Policy decides how long drafts are, by how often guesses have come true and by
// what passes of several rows cost.
type Policy struct {
	right [support][classes]float64 // share of guesses that come true
	one   float64                   // seconds of a pass of one row; 0 if unknown
	more  float64                   // of each further row, as a share of that: a mean of all passes
	rows  [1 + MaxTokens]rowCost    // by the number of further rows
}

// rowCost is what passes with some number of further rows take, as a share of one without.
type rowCost struct {
	mean float64 // of what was expected, and of those
	n    int     // of them
}

// Whether a guess is what followed everywhere: that tells more than how long the match
// is.
const (
	alone    = iota // the text's end stood in it once
	agreed          // the same followed another time
	disputed        // something else did
	support
)

// classes are matches of 2, 3, 4 to 7, 8 to 15, and more tokens.
const classes = 5

func class(match int) int {
	switch {
	case match <= 2:
		return 0
	case match == 3:
		return 1
	case match < 8:
		return 2
	case match < 16:
		return 3
	}
	return 4
}

// share is that of token i of guesses such as g.
func (p *Policy) share(g Guess, i int) *float64 {
	by := alone
	switch {
	case i < g.Agreed:
		by = agreed
	case g.Other:
		by = disputed
	}
	return &p.right[by][class(g.Match+i)]
}

// NewPolicy begins with what is usual in English text and code, and with a further row
// that costs a fifth of a pass.
func NewPolicy() *Policy {
	return &Policy{
		right: [support][classes]float64{
			alone:    {0.4, 0.5, 0.65, 0.8, 0.9},
			agreed:   {0.7, 0.8, 0.85, 0.9, 0.9},
			disputed: {0.1, 0.1, 0.2, 0.4, 0.7},
		},
		more: 0.2,
	}
}

// Length is the length of a draft, of at most so many of a guess's tokens: that which
// promises the most tokens a second, 0 if none does.
func (p *Policy) Length(g Guess, most int) (length int) {
	best, tokens, chance := gain, 1.0, 1.0
	for n := 1; n <= min(most, len(g.Next), MaxTokens); n++ {
		chance *= *p.share(g, n-1)
		tokens += chance
		if faster := tokens / p.cost(n); faster > best {
			best, length = faster, n
		}
	}
	return length
}

// Came records the token that came after a guess, even if no pass was spent on it.
func (p *Policy) Came(g Guess, id int32) {
	if len(g.Next) == 0 {
		return
	}
	x := 0.0
	if g.Next[0] == id {
		x = 1
	}
	share := p.share(g, 0)
	*share += (x - *share) * memory
}

// cost is what a pass with n further rows takes, as a share of one without. It need not be
// in proportion: a GPU has a faster way for one row, and kernels take so many at a time. What
// is unknown lies on straight lines between what is known.
func (p *Policy) cost(n int) float64 {
	below, above := n, n
	for below > 0 && p.rows[below].n == 0 {
		below--
	}
	for above < len(p.rows) && p.rows[above].n == 0 {
		above++
	}
	from := 1.0
	if below > 0 {
		from = p.rows[below].mean
	}
	switch {
	case below == n:
		return from
	case above == len(p.rows):
		return from + float64(n-below)*p.more
	}
	return from + (p.rows[above].mean-from)*float64(n-below)/float64(above-below)
}

// Took records how long a pass of that many rows took.
func (p *Policy) Took(rows int, d time.Duration) {
	t, n := d.Seconds(), rows-1
	switch {
	case t <= 0 || n < 0 || n > MaxTokens:
	case p.one == 0:
		p.one = t / p.cost(n)
	case n == 0:
		p.one += (min(t, slowest*p.one) - p.one) * memory
	default:
		cost, expected := max(t/p.one, 1), p.cost(n)
		p.more += (min((cost-1)/float64(n), slowest) - p.more) * memory
		r := &p.rows[n]
		r.n++
		r.mean = expected + (min(cost, slowest*expected)-expected)*max(memory, 1/float64(1+r.n))
	}
}

// slowest is how many times as long as usual a pass may seem to take: what held
// it up was something else.
const slowest = 2
