package load

import (
	"strings"
	"testing"
	"time"

	"qgo/bench"
)

// of is a level of 10 requests with these medians, in ms; late and slow of them
// miss the limits.
func of(users, late, slow int, ttft, tpot, total float64) *Level {
	l := &Level{Users: users, Requests: 10, Late: late, Slow: slow, Good: 10 - max(late, slow), Prompt: 128, TotalTS: total}
	l.GoodShare = float64(l.Good) / 10
	same := func(v float64) *bench.Percentiles { return &bench.Percentiles{P50: v, P90: v, P99: v, Max: v} }
	l.TTFT, l.TPOT, l.Queue = same(ttft), same(tpot), same(0)
	return l
}

func TestVerdict(t *testing.T) {
	limits := Limits{TTFT: 500 * time.Millisecond, TPOT: 50 * time.Millisecond, Percent: 90}
	good := of(4, 1, 0, 400, 30, 100)
	broken := of(5, 0, 0, 100, 10, 50)
	broken.Incomplete = true
	failing := of(5, 1, 0, 100, 10, 50)
	failing.Failed, failing.Good, failing.GoodShare = 4, 5, 0.5
	failing.Failures = []Failure{{"timeout", 1}, {"429 Too Many Requests", 3}}
	const four = "4 people at once: first token under 500 ms and 20 t/s each for 90 % of requests"
	for want, levels := range map[string][]*Level{
		"": nil,
		"1 person at once: first token under 500 ms and 20 t/s each for 90 % of requests. More were not measured.": {of(1, 0, 0, 1, 1, 1)},
		four + ". More were not measured.": {good, broken},
		four + "; the 5th waits because prompts wait for each other: the first token takes 1.2 s in place of 400 ms (p90), while the others come as fast as before.":                                          {good, of(5, 8, 0, 1200, 31, 110)},
		four + "; the 5th waits because prompts wait for each other and for the answers beside them: the first token takes 1.2 s in place of 400 ms (p90), the others 45 ms in place of 30 ms each.":          {good, of(5, 8, 0, 1200, 45, 110)},
		four + "; the 5th waits because the limit of the first token is near already: it takes 450 ms in place of 400 ms (p90).":                                                                              {good, of(5, 2, 0, 450, 30, 110)},
		four + "; the 5th waits because decode shares what the engine can do: the total stays at 101 t/s (100 before), while each user's falls from 33.3 to 16.7.":                                            {good, of(5, 0, 8, 400, 60, 101)},
		four + ". With 8 it is 20 %, because a step takes longer the more it computes: 2 times the users get 1.3 times the tokens (130 t/s in total), while each user's falls from 33.3 to 16.7.":             {good, of(8, 0, 8, 400, 60, 130)},
		four + "; the 5th waits because requests fail: 429 Too Many Requests (3 of 10).":                                                                                                                      {good, failing},
		"Not even 1 person: first token under 500 ms and 20 t/s each for 90 % of requests is met by 0 % only, because a prompt of 128 tokens alone takes that long: the first token comes after 2.5 s (p90).": {of(1, 10, 0, 2500, 30, 10)},
		"Not even 1 person: first token under 500 ms and 20 t/s each for 90 % of requests is met by 0 % only, because a token takes 125 ms (p90): 8 t/s.":                                                     {of(1, 0, 10, 100, 125, 8)},
		// Both limits are missed by all: the one that is missed by more is told.
		"Not even 1 person: first token under 500 ms and 20 t/s each for 90 % of requests is met by 0 % only, because a token takes 500 ms (p90): 2 t/s.": {of(1, 10, 10, 600, 500, 2)},
	} {
		if got := verdict(levels, limits); got != want {
			t.Errorf("verdict\n%s, want\n%s", got, want)
		}
	}
}

func TestDecodeVerdict(t *testing.T) {
	for want, ms := range map[string][2]float64{
		"A step of 8 sequences takes 1.1 times as long as that of 1: weights are read once for all":          {10, 11},
		"A step of 8 sequences takes 7.5 times as long as that of 1: the time goes into what each":           {10, 75},
		"A step of 8 sequences takes 3 times as long as that of 1, for 8 times the tokens: weights are read": {10, 30},
	} {
		if got := decodeVerdict([]Step{step(1, 128, ms[0]), step(8, 128, ms[1])}); !strings.HasPrefix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := decodeVerdict([]Step{step(4, 128, 3)}); got != "" {
		t.Errorf("%q of one number of sequences", got)
	}
	if s := step(8, 128, 20); s.TotalTS != 400 || s.EachTS != 50 {
		t.Errorf("%+v", s)
	}
}
