package load

import (
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize/english"

	"qgo/bench"
)

// Limits say what a request must meet to count as goodput, and for which share
// of the requests that must hold.
type Limits struct {
	TTFT    time.Duration `json:"ttft_ns"`
	TPOT    time.Duration `json:"tpot_ns"`
	Percent float64       `json:"percent"`
}

// Level is what was measured with some number of users.
type Level struct {
	Users    int     `json:"users"`
	Requests int     `json:"requests"` // that arrived
	Seconds  float64 `json:"seconds"`  // from the beginning to the end of the last answer
	Prompt   float64 `json:"n_prompt"` // tokens of the prompts, median
	// Failed counts the requests without a whole answer, Failures the same by
	// their reasons.
	Failed   int       `json:"failed"`
	Failures []Failure `json:"failures,omitempty"`
	// Waiting counts those of them that had not been sent when the time was up.
	Waiting int `json:"waiting,omitempty"`
	// TTFT and TTLT count from a request's arrival, and Queue is the part of
	// them in which it waited for a user to be free, in an open loop. TPOT is the
	// mean gap of a request.
	TTFT  *bench.Percentiles `json:"ttft_ms,omitempty"`
	TPOT  *bench.Percentiles `json:"tpot_ms,omitempty"`
	TTLT  *bench.Percentiles `json:"ttlt_ms,omitempty"`
	Queue *bench.Percentiles `json:"queue_ms,omitempty"`
	// TotalTS is the rate of all tokens of answers together, EachTS the median
	// of tokens / TTLT.
	TotalTS float64 `json:"output_tokens_per_second"`
	EachTS  float64 `json:"output_tokens_per_second_each"`
	// Good counts the requests that met both limits, Late and Slow those that
	// were answered, but missed the limit of TTFT and of TPOT.
	Good      int     `json:"good"`
	Late      int     `json:"late"`
	Slow      int     `json:"slow"`
	GoodShare float64 `json:"goodput_share"` // of all requests
	GoodRate  float64 `json:"goodput"`       // requests a second
	// Incomplete is set if the measurement was broken off.
	Incomplete bool `json:"incomplete,omitempty"`
}

// Failure is a reason for which requests failed.
type Failure struct {
	Reason string `json:"reason"`
	Count  int    `json:"count"`
}

// summarise computes a level from the outcomes of its requests, and the number
// of those that still waited for a user when the time was up.
func summarise(users int, outcomes []outcome, waiting int, limits Limits) *Level {
	l := &Level{Users: users, Requests: len(outcomes) + waiting, Waiting: waiting}
	var end time.Duration
	var ttft, tpot, ttlt, queue, each, prompts bench.Sample
	tokens := 0
	for i := range outcomes {
		o := &outcomes[i]
		end = max(end, o.end)
		if o.err != nil {
			l.fail(o.err.Error(), 1)
			continue
		}
		tokens += o.gen
		prompts = append(prompts, float64(o.prompt))
		ttft, ttlt, queue = append(ttft, ms(o.ttft)), append(ttlt, ms(o.ttlt)), append(queue, ms(o.waited))
		if o.gen > 1 {
			tpot = append(tpot, ms(o.tpot()))
		}
		if o.ttlt > 0 {
			each = append(each, float64(o.gen)/o.ttlt.Seconds())
		}
		l.judge(o, limits)
	}
	if waiting > 0 {
		l.fail("the time was up before any user was free", waiting)
	}
	for _, x := range []struct {
		to   **bench.Percentiles
		from bench.Sample
	}{{&l.TTFT, ttft}, {&l.TPOT, tpot}, {&l.TTLT, ttlt}, {&l.Queue, queue}} {
		if len(x.from) > 0 {
			p := x.from.Percentiles()
			*x.to = &p
		}
	}
	l.Prompt, l.EachTS = prompts.Median(), each.Median()
	if l.Seconds = end.Seconds(); end > 0 {
		l.TotalTS, l.GoodRate = float64(tokens)/l.Seconds, float64(l.Good)/l.Seconds
	}
	l.GoodShare = float64(l.Good) / float64(max(l.Requests, 1))
	return l
}

// judge counts an answered request.
func (l *Level) judge(o *outcome, limits Limits) {
	late, slow := o.ttft > limits.TTFT, o.tpot() > limits.TPOT
	if late {
		l.Late++
	}
	if slow {
		l.Slow++
	}
	if !late && !slow {
		l.Good++
	}
}

// maxReasons bounds the reasons that are told apart.
const maxReasons = 8

// fail counts n requests that failed. Reasons that differ in numbers only, such
// as after how many tokens a stream ended, are one.
func (l *Level) fail(reason string, n int) {
	l.Failed += n
	reason = strings.Join(strings.Fields(reason), " ") // a line
	for i := range l.Failures {
		f := &l.Failures[i]
		if letters(f.Reason) == letters(reason) {
			f.Count += n
			return
		}
	}
	if len(l.Failures) < maxReasons {
		l.Failures = append(l.Failures, Failure{reason, n})
		return
	}
	l.Failures[maxReasons-1].Count += n
	l.Failures[maxReasons-1].Reason = "other reasons"
}

func letters(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return -1
		}
		return r
	}, text)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// enough reports whether the limits hold for the share of requests that was
// asked for.
func (l *Level) enough(limits Limits) bool { return 100*l.GoodShare >= limits.Percent }

func count(n int, of string) string { return english.Plural(n, of, "") }
