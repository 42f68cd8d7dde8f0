package load

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"

	"qgo/bench"
)

// same is how far two figures may be apart and still count as the same: those
// of shared machines repeat no better.
const same = 1.2

// verdict says how many users are served within the limits, and what keeps one
// more waiting as far as the measurements tell.
func verdict(levels []*Level, limits Limits) string {
	var best, next *Level
	for _, l := range levels {
		if l.Incomplete {
			continue
		}
		if !l.enough(limits) {
			next = l
			break
		}
		best = l
	}
	meets := fmt.Sprintf("first token under %s and %s t/s each for %s %% of requests",
		span(limits.TTFT), figure(1/limits.TPOT.Seconds()), figure(limits.Percent))
	switch {
	case best == nil && next == nil:
		return ""
	case best == nil:
		return fmt.Sprintf("Not even %s: %s is met by %s only, because %s.", people(next.Users), meets, share(next), reason(nil, next, limits))
	case next == nil:
		return fmt.Sprintf("%s at once: %s. More were not measured.", people(best.Users), meets)
	case next.Users == best.Users+1:
		return fmt.Sprintf("%s at once: %s; the %s waits because %s.", people(best.Users), meets, humanize.Ordinal(next.Users), reason(best, next, limits))
	}
	return fmt.Sprintf("%s at once: %s. With %d it is %s, because %s.", people(best.Users), meets, next.Users, share(next), reason(best, next, limits))
}

// reason says why a level misses the limits, compared with one that meets them,
// if there is one.
func reason(best, l *Level, limits Limits) string {
	answered := l.Requests - l.Failed
	switch {
	case l.Waiting > l.Failed/2 && l.Failed > l.Slow:
		return fmt.Sprintf("requests arrive faster than answers end: %d of %d had not been sent when the time was up", l.Waiting, l.Requests)
	case answered == 0 || l.Failed > l.Late && l.Failed > l.Slow:
		return "requests fail: " + l.mostFailed()
	case l.Late > l.Slow:
		return lateReason(best, l)
	case l.Late == l.Slow && over(l.TTFT, limits.TTFT) > over(l.TPOT, limits.TPOT):
		return lateReason(best, l)
	}
	return slowReason(best, l)
}

// over is how many times its limit the median of a figure is.
func over(p *bench.Percentiles, limit time.Duration) float64 {
	if p == nil {
		return 0
	}
	return p.P50 / ms(limit)
}

// mostFailed is the most frequent reason of failures.
func (l *Level) mostFailed() string {
	most := Failure{}
	for _, f := range l.Failures {
		if f.Count > most.Count {
			most = f
		}
	}
	return fmt.Sprintf("%s (%d of %d)", most.Reason, most.Count, l.Requests)
}

// lateReason says why first tokens are late.
func lateReason(best, l *Level) string {
	switch {
	case l.Queue != nil && l.Queue.P90 > l.TTFT.P90/2:
		return fmt.Sprintf("requests arrive faster than answers end: they wait %s (p90) before they are sent", milli(l.Queue.P90))
	case best != nil && l.TTFT.P90 < same*best.TTFT.P90:
		return fmt.Sprintf("the limit of the first token is near already: it takes %s in place of %s (p90)", milli(l.TTFT.P90), milli(best.TTFT.P90))
	case best == nil:
		return fmt.Sprintf("a prompt of %.0f tokens alone takes that long: the first token comes after %s (p90)", l.Prompt, milli(l.TTFT.P90))
	case best.TPOT == nil || l.TPOT == nil || l.TPOT.P50 < same*best.TPOT.P50:
		return fmt.Sprintf("prompts wait for each other: the first token takes %s in place of %s (p90), while the others come as fast as before", milli(l.TTFT.P90), milli(best.TTFT.P90))
	}
	return fmt.Sprintf("prompts wait for each other and for the answers beside them: the first token takes %s in place of %s (p90), the others %s in place of %s each",
		milli(l.TTFT.P90), milli(best.TTFT.P90), milli(l.TPOT.P50), milli(best.TPOT.P50))
}

// slowReason says why the tokens after the first are slow.
func slowReason(best, l *Level) string {
	if best == nil || best.TPOT == nil || l.TPOT.P50 < same*best.TPOT.P50 {
		return fmt.Sprintf("a token takes %s (p90): %s t/s", milli(l.TPOT.P90), figure(1e3/l.TPOT.P90))
	}
	falls := fmt.Sprintf("while each user's falls from %s to %s", figure(1e3/best.TPOT.P50), figure(1e3/l.TPOT.P50))
	if l.TotalTS < same*best.TotalTS {
		return fmt.Sprintf("decode shares what the engine can do: the total stays at %s t/s (%s before), %s", figure(l.TotalTS), figure(best.TotalTS), falls)
	}
	return fmt.Sprintf("a step takes longer the more it computes: %s times the users get %s times the tokens (%s t/s in total), %s",
		figure(float64(l.Users)/float64(best.Users)), figure(l.TotalTS/best.TotalTS), figure(l.TotalTS), falls)
}

// decodeVerdict says from the time of a step by the number of sequences what
// binds decode.
func decodeVerdict(steps []Step) string {
	if len(steps) < 2 {
		return ""
	}
	first, last := steps[0], steps[0]
	for _, s := range steps {
		if s.Sequences < first.Sequences {
			first = s
		}
		if s.Sequences > last.Sequences {
			last = s
		}
	}
	if first.MS <= 0 || last.Sequences == first.Sequences {
		return ""
	}
	longer, more := last.MS/first.MS, float64(last.Sequences)/float64(first.Sequences)
	what := fmt.Sprintf("A step of %s takes %s times as long as that of %d", count(last.Sequences, "sequence"), figure(longer), first.Sequences)
	switch {
	case longer < same:
		return what + ": weights are read once for all, and reading them is what takes the time."
	case longer > more/same:
		return what + ": the time goes into what each sequence computes, and batches save nothing."
	}
	return fmt.Sprintf("%s, for %s times the tokens: weights are read once for all, but what each sequence computes takes time of its own.", what, figure(more))
}

func share(l *Level) string { return fmt.Sprintf("%.0f %%", math.Floor(100*l.GoodShare)) }

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return strconv.Itoa(n) + " people"
}

// milli is a time in milliseconds as text.
func milli(ms float64) string { return span(time.Duration(ms * float64(time.Millisecond))) }

// span is a time as text, such as 500 ms or 2.1 s.
func span(d time.Duration) string {
	if d < time.Second {
		return figure(ms(d)) + " ms"
	}
	return figure(d.Seconds()) + " s"
}

// figure is a number with three digits, without zeros behind the point.
func figure(x float64) string {
	digits := 0
	for m := math.Abs(x); m < 100 && digits < 2; m *= 10 {
		digits++
	}
	return strconv.FormatFloat(math.Round(x*math.Pow10(digits))/math.Pow10(digits), 'f', -1, 64)
}
