package bench

import (
	"math"
	"slices"
)

// Sample is a series of measurements.
type Sample []float64

// Mean is the average, 0 for none.
func (s Sample) Mean() float64 {
	sum := 0.0
	for _, v := range s {
		sum += v
	}
	return sum / float64(max(len(s), 1))
}

// Stddev is the standard deviation of the sample, 0 if there is only one.
func (s Sample) Stddev() float64 {
	if len(s) < 2 {
		return 0
	}
	mean, sum := s.Mean(), 0.0
	for _, v := range s {
		sum += (v - mean) * (v - mean)
	}
	return math.Sqrt(sum / float64(len(s)-1))
}

// Median is the middle value.
func (s Sample) Median() float64 { return s.Quantile(0.5) }

// Quantile is the value below which a share q of the sample lies, linear
// between neighbours (type 7 of Hyndman and Fan 1996, "Sample quantiles in
// statistical packages"); 0 for no values.
func (s Sample) Quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	lo := int(at)
	hi := min(lo+1, len(sorted)-1)
	return sorted[lo] + (at-float64(lo))*(sorted[hi]-sorted[lo])
}

// Percentiles sum up a distribution.
type Percentiles struct {
	Mean float64 `json:"mean"`
	Std  float64 `json:"stddev"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	Max  float64 `json:"max"`
}

// Percentiles returns the percentiles of the sample.
func (s Sample) Percentiles() Percentiles {
	return Percentiles{s.Mean(), s.Stddev(), s.Median(), s.Quantile(0.9), s.Quantile(0.95), s.Quantile(0.99), s.Quantile(1)}
}

// spread is the distance of the quartiles as a share of the median, 0 if there
// are none.
func (s Sample) spread() float64 {
	if m := s.Median(); m > 0 && len(s) > 1 {
		return (s.Quantile(0.75) - s.Quantile(0.25)) / m
	}
	return 0
}
