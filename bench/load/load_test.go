package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"qgo/bench"
)

// fake is an engine that takes known times: a prompt after the other, and each
// token of an answer as long as token says for that many answers at once.
type fake struct {
	prompt  time.Duration
	token   func(answers int) time.Duration
	fail    func(request int) error
	reads   chan struct{} // taken while a prompt is read
	answers atomic.Int32
	sent    atomic.Int32

	mu    sync.Mutex
	texts []string
}

// serial reads one prompt at a time.
func serial(prompt, token time.Duration) *fake {
	return &fake{prompt: prompt, token: func(int) time.Duration { return token }, reads: make(chan struct{}, 1)}
}

func (f *fake) Answer(ctx context.Context, text string, tokens int) (rep bench.Rep, err error) {
	n := f.sent.Add(1)
	if n == 1 {
		return bench.Rep{Prompt: 130}, nil // the warm-up
	}
	f.mu.Lock()
	f.texts = append(f.texts, text)
	f.mu.Unlock()
	if f.fail != nil {
		if err := f.fail(int(n) - 1); err != nil {
			return rep, err
		}
	}
	start := time.Now()
	f.reads <- struct{}{}
	sleep(ctx, f.prompt)
	<-f.reads
	rep.TTFT, rep.Prompt = int64(time.Since(start)), 128
	f.answers.Add(1)
	for rep.Gen = 1; rep.Gen < tokens; rep.Gen++ {
		sleep(ctx, f.token(int(f.answers.Load())))
	}
	f.answers.Add(-1)
	rep.NS = int64(time.Since(start))
	return rep, ctx.Err()
}

var limits = Limits{TTFT: 250 * time.Millisecond, TPOT: 20 * time.Millisecond, Percent: 90}

func plan(users ...int) *Plan {
	return &Plan{Users: users, Requests: 1, Prompt: 128, Answer: 11, Texts: NewTexts("a b c d e f g h"), Limits: limits}
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-6*math.Max(1, math.Abs(b)) }

// TestClosedLoop has prompts wait for each other: 4 users get their first tokens
// after 100, 200, 300 and 400 ms.
func TestClosedLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		levels, err := plan(1, 2, 4).Run(t.Context(), serial(100*time.Millisecond, 10*time.Millisecond))
		if err != nil || len(levels) != 3 {
			t.Fatalf("%v, %d levels", err, len(levels))
		}
		l := levels[2]
		for name, v := range map[string][2]float64{
			"TTFT p50": {l.TTFT.P50, 250}, "TTFT p90": {l.TTFT.P90, 370}, "TTFT p99": {l.TTFT.P99, 397},
			"TPOT p50": {l.TPOT.P50, 10}, "TPOT p99": {l.TPOT.P99, 10}, "TTLT max": {l.TTLT.Max, 500}, "queue": {l.Queue.Max, 0},
			"seconds": {l.Seconds, 0.5}, "total": {l.TotalTS, 88}, "each": {l.EachTS, (11/0.3 + 11/0.4) / 2},
			"share": {l.GoodShare, 0.5}, "goodput": {l.GoodRate, 4}, "prompt": {l.Prompt, 128},
			"1 user's TTFT": {levels[0].TTFT.P99, 100}, "1 user's share": {levels[0].GoodShare, 1},
		} {
			if !near(v[0], v[1]) {
				t.Errorf("%s is %v, want %v", name, v[0], v[1])
			}
		}
		if l.Requests != 4 || l.Good != 2 || l.Late != 2 || l.Slow != 0 || l.Failed != 0 || l.Incomplete {
			t.Errorf("%+v", l)
		}
		want := "2 people at once: first token under 250 ms and 50 t/s each for 90 % of requests. With 4 it is 50 %, because prompts wait for each other: " +
			"the first token takes 370 ms in place of 190 ms (p90), while the others come as fast as before."
		if got := verdict(levels, limits); got != want {
			t.Errorf("verdict %q, want %q", got, want)
		}
	})
}

// TestDecodeShared has answers share what the engine can do: each token takes
// 8 ms for each of them.
func TestDecodeShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := serial(0, 0)
		e.token = func(answers int) time.Duration { return time.Duration(answers) * 8 * time.Millisecond }
		p := plan(1, 2, 3)
		p.Requests = 2
		levels, err := p.Run(t.Context(), e)
		if err != nil {
			t.Fatal(err)
		}
		want := "2 people at once: first token under 250 ms and 50 t/s each for 90 % of requests; the 3rd waits because decode shares what the engine can do: " +
			"the total stays at 138 t/s (138 before), while each user's falls from 62.5 to 41.7."
		if got := verdict(levels, limits); got != want {
			t.Errorf("verdict %q, want %q", got, want)
		}
	})
}

// TestOpenLoop checks the waiting of requests that arrive at random for the only
// user against Lindley's recursion.
func TestOpenLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(1)
		p.Rate, p.Seed, p.Requests = 4, 7, 40
		levels, err := p.Run(t.Context(), serial(100*time.Millisecond, 10*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		gap := poisson(p.Rate, p.Seed)
		var arrival, free time.Duration
		var queue, ttft bench.Sample
		for range p.Requests {
			arrival += gap()
			begin := max(arrival, free)
			free = begin + 200*time.Millisecond
			queue, ttft = append(queue, ms(begin-arrival)), append(ttft, ms(begin-arrival)+100)
		}
		l := levels[0]
		if *l.Queue != queue.Percentiles() || !near(l.TTFT.P90, ttft.Quantile(0.9)) || !near(l.Seconds, free.Seconds()) {
			t.Errorf("queue %+v, want %+v; TTFT %v, want %v; %v s, want %v", *l.Queue, queue.Percentiles(), l.TTFT.P90, ttft.Quantile(0.9), l.Seconds, free)
		}
		if got := verdict(levels, limits); !strings.Contains(got, "because requests arrive faster than answers end: they wait ") || !strings.HasSuffix(got, "(p90) before they are sent.") {
			t.Errorf("verdict %q", got)
		}
	})
}

func TestPoisson(t *testing.T) {
	const n, rate = 20000, 4
	a, b, other := poisson(rate, 1), poisson(rate, 1), poisson(rate, 2)
	var gaps bench.Sample
	differ := false
	for range n {
		gap := a()
		if gap != b() {
			t.Fatal("one seed, two series")
		}
		differ = differ || gap != other()
		gaps = append(gaps, gap.Seconds())
	}
	// The standard error of the mean of exponential gaps is mean/√n, and a
	// share 1-1/e of them is shorter than the mean.
	if mean, bound := gaps.Mean(), 4/(rate*math.Sqrt(n)); math.Abs(mean-1.0/rate) > bound {
		t.Errorf("mean gap %v s, want %v ± %v", mean, 1.0/rate, bound)
	}
	if q := gaps.Quantile(1 - 1/math.E); math.Abs(q-1.0/rate) > 0.01 {
		t.Errorf("a share 1-1/e is shorter than %v s, want %v", q, 1.0/rate)
	}
	if want := (bench.Sample{0.117420775, 0.132592636, 0.364601898}); !slices.Equal(gaps[:3], want) || !differ {
		t.Errorf("gaps of seed 1: %v, want %v", gaps[:3], want)
	}
}

// TestSpan begins requests for a second.
func TestSpan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := plan(2)
		p.Span = time.Second
		levels, err := p.Run(t.Context(), serial(0, 30*time.Millisecond))
		if err != nil || levels[0].Requests != 8 || !near(levels[0].Seconds, 1.2) {
			t.Errorf("closed loop: %v, %+v; want 2 users with requests at 0, 0.3, 0.6 and 0.9 s", err, levels[0])
		}
		// 100 requests a second arrive, of which 3 a second are answered.
		p = plan(1)
		p.Span, p.Rate, p.Seed = time.Second, 100, 3
		arrived, gap := 0, poisson(100, 3)
		for at := gap(); at < time.Second; at += gap() {
			arrived++
		}
		levels, err = p.Run(t.Context(), serial(0, 30*time.Millisecond))
		l := levels[0]
		if err != nil || l.Requests != arrived || l.Failed != arrived-4 || len(l.Failures) != 1 || l.Failures[0].Reason != "the time was up before any user was free" {
			t.Errorf("open loop: %v, %+v; want 4 of %d requests answered", err, l, arrived)
		}
		want := fmt.Sprintf("because requests arrive faster than answers end: %d of %d had not been sent when the time was up.", arrived-4, arrived)
		if got := verdict(levels, limits); !strings.HasSuffix(got, want) {
			t.Errorf("verdict %q, want %q", got, want)
		}
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := serial(0, 10*time.Millisecond)
		e.fail = func(n int) error {
			switch n % 4 {
			case 0:
				return errors.New("the server answered 429 Too Many Requests:\n wait")
			case 1, 2:
				return fmt.Errorf("the stream was cut off after %d pieces of text", n)
			}
			return nil
		}
		p := plan(1, 2)
		p.Requests = 8
		levels, err := p.Run(t.Context(), e)
		if err != nil || len(levels) != 2 {
			t.Fatal(err, len(levels))
		}
		l := levels[0]
		want := []Failure{{"the stream was cut off after 1 pieces of text", 4}, {"the server answered 429 Too Many Requests: wait", 2}}
		if l.Requests != 8 || l.Failed != 6 || !slices.Equal(l.Failures, want) || l.Good != 2 || l.GoodShare != 0.25 {
			t.Errorf("%+v, want the failures %+v", l, want)
		}
		// A user waits after each failure, and 2 answers take 100 ms each.
		if !near(l.Seconds, 5*retryAfter.Seconds()+0.2) && !near(l.Seconds, 6*retryAfter.Seconds()+0.2) {
			t.Errorf("%v s", l.Seconds)
		}
		if got := verdict(levels, limits); got != "Not even 1 person: first token under 250 ms and 50 t/s each for 90 % of requests is met by 25 % only, because requests fail: the stream was cut off after 1 pieces of text (4 of 8)." {
			t.Errorf("verdict %q", got)
		}
	})
}

// TestAllFail does not try larger numbers of users when all requests failed.
func TestAllFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := serial(0, 0)
		e.fail = func(int) error { return errors.New("refused") }
		levels, err := plan(1, 2, 4).Run(t.Context(), e)
		r := Report{Levels: levels}
		if reason, failed := r.AllFailed(); err != nil || len(levels) != 1 || !failed || reason != "refused (1 of 1)" {
			t.Errorf("%v, %d levels, %q, %v", err, len(levels), reason, failed)
		}
	})
}

// TestReasons does not keep more reasons than can be read.
func TestReasons(t *testing.T) {
	l := Level{}
	for i := range 40 {
		l.fail(strings.Repeat("x", i+1), 1)
	}
	if len(l.Failures) != maxReasons || l.Failed != 40 || l.Failures[maxReasons-1] != (Failure{"other reasons", 40 - maxReasons + 1}) {
		t.Errorf("%+v", l)
	}
}

// TestInterrupted keeps what was measured until then, and takes no request that
// was broken off for one that failed.
func TestInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 450*time.Millisecond)
		defer cancel()
		p := plan(1, 2)
		p.Requests = 4
		levels, err := p.Run(ctx, serial(100*time.Millisecond, 10*time.Millisecond))
		if !errors.Is(err, context.DeadlineExceeded) || len(levels) != 1 || levels[0].Requests != 2 || levels[0].Failed != 0 || !levels[0].Incomplete {
			t.Errorf("%v, %+v", err, levels)
		}
		if got := verdict(levels, limits); got != "" {
			t.Errorf("verdict %q of what is not complete", got)
		}
	})
}

// TestTexts expects that no two texts begin alike, and that they get shorter by
// what an engine counts too many.
func TestTexts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, p := serial(0, 0), plan(1)
		p.Requests, p.Adjust = 3, true // the engine counts 130 in place of 128
		if _, err := p.Run(t.Context(), e); err != nil || !slices.Equal(e.texts, []string{"b c d e f a", "c d e f a b", "d e f a b c"}) {
			t.Errorf("%v, %q", err, e.texts)
		}
	})
	if got := NewTexts("").At(3); got != "" {
		t.Errorf("%q", got)
	}
	if got := NewTexts("a b").without(9).At(5); got != "a" {
		t.Errorf("%q", got)
	}
}
