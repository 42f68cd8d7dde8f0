package html

import (
	"fmt"
	"math"
	"slices"
	"strconv"
)

// chart is what charts.js draws. Its numbers are finite, and its texts were
// made fit to be shown.
type chart struct {
	Title   string   `json:"title"`
	Caption string   `json:"-"`
	X       *axis    `json:"x,omitempty"`
	Y       *axis    `json:"y,omitempty"`
	Series  []series `json:"series,omitempty"`
	Others  int      `json:"others,omitempty"` // series in grey
	Marks   []mark   `json:"marks,omitempty"`  // moments or levels
	Apart   []apart  `json:"apart,omitempty"`
	Bars    []bar    `json:"bars,omitempty"`
	Heat    *heat    `json:"heat,omitempty"`
	Stacks  []stack  `json:"stacks,omitempty"`

	Tables []opTable `json:"-"` // below the plot: all that its stacks show
}

type axis struct {
	Label string    `json:"label"`
	Log   bool      `json:"log,omitempty"`
	Lo    float64   `json:"lo"`
	Hi    float64   `json:"hi"`
	Ticks []float64 `json:"ticks,omitempty"`
}

// Ways to draw a series.
const (
	asDots  = "dots"
	asLine  = "line"
	asBoth  = "both"  // a line with its points
	asSteps = "steps" // of a cumulative distribution
)

// grey is the colour of what has none of its own.
const grey = -1

// colours is the number of series that are told apart by colour.
const colours = 8

type series struct {
	Name   string       `json:"name"`
	Colour int          `json:"colour"`
	As     string       `json:"as"`
	Dash   bool         `json:"dash,omitempty"`
	Label  bool         `json:"label,omitempty"` // the name stands at its end, not in the legend
	Points [][2]float64 `json:"points"`
	Tips   []string     `json:"tips,omitempty"` // what else is known of each point
}

// mark is a line across the plot at one x or y.
type mark struct {
	X    *float64 `json:"x,omitempty"`
	Y    *float64 `json:"y,omitempty"`
	Text string   `json:"text"`
	// Quiet is set if the caption does not repeat the text: a table does.
	Quiet bool `json:"-"`
}

// apart is a figure that cannot be; it stands at the plot's edge.
type apart struct {
	X    float64 `json:"x"`
	Text string  `json:"text"`
}

// bar is a row of bars, or a heading of the rows below it.
type bar struct {
	Head   string  `json:"head,omitempty"`
	Name   string  `json:"name,omitempty"`
	Share  float64 `json:"share"` // of the best of the rows, in %
	Text   string  `json:"text,omitempty"`
	Tip    string  `json:"tip,omitempty"`
	Colour int     `json:"colour"`
}

type heat struct {
	Columns []string     `json:"columns"`
	Rows    []string     `json:"rows"`
	Most    float64      `json:"most"` // the scale is from 0 to it
	Values  [][]*float64 `json:"values"`
	Unit    string       `json:"unit"`
}

// finite reports whether a point can be drawn on the axes.
func finite(x, y float64) bool {
	return !math.IsNaN(x) && !math.IsInf(x, 0) && !math.IsNaN(y) && !math.IsInf(y, 0)
}

// digits rounds to six significant digits, more than any measurement has.
func digits(v float64) float64 {
	r, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 6, 64), 64)
	if err != nil {
		return 0
	}
	return r
}

// number is how a number is written in texts.
func number(v float64) string {
	if a := math.Abs(v); a >= 1e3 && a < 1e15 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 4, 64)
}

// add adds a point to a series, unless it cannot be drawn.
func (s *series) add(x, y float64, tip string) {
	if !finite(x, y) {
		return
	}
	s.Points = append(s.Points, [2]float64{digits(x), digits(y)})
	if tip != "" {
		s.Tips = append(s.Tips, tip)
	}
}

// thin leaves at most n points of each series, the first and last among them.
func (c *chart) thin(n int) {
	for i := range c.Series {
		s := &c.Series[i]
		if len(s.Points) <= n {
			continue
		}
		points := make([][2]float64, n)
		var tips []string
		for j := range points {
			at := j * (len(s.Points) - 1) / (n - 1)
			points[j] = s.Points[at]
			if s.Tips != nil {
				tips = append(tips, s.Tips[at])
			}
		}
		s.Points, s.Tips = points, tips
	}
}

// paint gives the series with the most points colours of their own, in order,
// and the others grey.
func (c *chart) paint() {
	order := make([]int, len(c.Series))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(c.Series[b].Points) - len(c.Series[a].Points) })
	chosen := order[:min(colours, len(order))]
	slices.Sort(chosen)
	for i := range c.Series {
		c.Series[i].Colour = slices.Index(chosen, i)
	}
	c.Others = len(order) - len(chosen)
}

// reach sets the axes from the points: linear ones begin at 0.
func (c *chart) reach() {
	for i, a := range []*axis{c.X, c.Y} {
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, s := range c.Series {
			for _, p := range s.Points {
				lo, hi = min(lo, p[i]), max(hi, p[i])
			}
		}
		if i == 0 {
			for _, p := range c.Apart {
				lo, hi = min(lo, p.X), max(hi, p.X)
			}
		}
		a.settle(lo, hi)
	}
}

const (
	wide = 50   // the ratio of the ends from which on an axis is logarithmic
	room = 1.06 // above the highest point
)

// settle gives an axis a range that can be drawn and read whatever the data are.
func (a *axis) settle(lo, hi float64) {
	if !finite(lo, hi) || hi <= 0 {
		a.Log, lo, hi = false, 0, 1
	}
	if a.Log {
		a.logarithmic(lo, hi)
		return
	}
	a.Lo, a.Hi = min(0, lo), digits(hi*room)
	for _, t := range a.Ticks {
		a.Hi = max(a.Hi, t*room)
	}
}

// decades is the length of a logarithmic axis at most.
const decades = 12

// logarithmic begins and ends the axis at 1, 2 or 5 times a power of ten, so
// that there are two numbers on it at least.
func (a *axis) logarithmic(lo, hi float64) {
	lo = max(lo, hi/math.Pow(10, decades))
	ladder := func(i int) float64 { // the numbers 1, 2, 5, 10, 20 …
		n := int(math.Floor(float64(i) / 3))
		return digits([]float64{1, 2, 5}[i-3*n] * math.Pow(10, float64(n)))
	}
	first := 3 * int(math.Floor(math.Log10(lo)))
	for ladder(first+1) <= lo {
		first++
	}
	last := first + 1
	for ladder(last) < hi {
		last++
	}
	a.Lo, a.Hi = ladder(first), ladder(last)
	if a.Ticks != nil {
		return
	}
	const most = 9
	step := 1
	if last-first >= most {
		step = 3 * (1 + (last-first)/(3*most))
	}
	for i := first; i <= last; i++ {
		if step == 1 || i%step == 0 {
			a.Ticks = append(a.Ticks, ladder(i))
		}
	}
	if len(a.Ticks) < 2 {
		a.Ticks = []float64{a.Lo, a.Hi}
	}
}

// count names a number of things.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
