package draft

import "time"

// MaxTokens is the length of the longest draft.
const MaxTokens = 15

// gain is how many times as fast a draft must promise to be to be worth it.
const gain = 1.05

// memory is the weight of the latest observation in a running mean.
const memory = 1.0 / 16

// Policy decides how long drafts are, by how often guesses have come true and by
// what passes of several rows cost.
type Policy struct {
	right [classes]float64 // share of guesses that come true, by length of the match
	one   float64          // seconds of a pass of one row; 0 if unknown
	more  float64          // of each further row, as a share of that
}

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

// NewPolicy begins with what is usual: the longer the match, the better the guess;
// and with a further row that costs a fifth of a pass.
func NewPolicy() *Policy {
	return &Policy{right: [classes]float64{0.2, 0.3, 0.5, 0.7, 0.8}, more: 0.2}
}

// Length is the length of a draft, of at most so many tokens, after a match: that
// which promises the most tokens a second, 0 if none does.
func (p *Policy) Length(match, most int) (length int) {
	best, tokens, chance := gain, 1.0, 1.0
	for n := 1; n <= min(most, MaxTokens); n++ {
		chance *= p.right[class(match+n-1)]
		tokens += chance
		if faster := tokens / (1 + float64(n)*p.more); faster > best {
			best, length = faster, n
		}
	}
	return length
}

// Guessed records whether the token after a match was the one that followed the
// earlier occurrence, even if no pass was spent on it.
func (p *Policy) Guessed(match int, right bool) {
	x := 0.0
	if right {
		x = 1
	}
	c := &p.right[class(match)]
	*c += (x - *c) * memory
}

// Took records how long a pass of that many rows took.
func (p *Policy) Took(rows int, d time.Duration) {
	t := d.Seconds()
	switch {
	case t <= 0 || rows < 1 || rows > 1+MaxTokens:
	case p.one == 0:
		p.one = t / (1 + float64(rows-1)*p.more)
	case rows == 1:
		p.one += (min(t, slowest*p.one) - p.one) * memory
	default:
		share := (t/p.one - 1) / float64(rows-1)
		p.more += (min(max(share, 0), slowest) - p.more) * memory
	}
}

// slowest is how many times as long as usual a pass may seem to take: what held
// it up was something else.
const slowest = 2
