package bench

import (
	"math"
	"slices"
	"time"

	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/model"
)

// Schema is the version of [Report] as JSON; docs/bench.md describes it.
const Schema = "qgo.bench/1"

// Report is all that a run of qgo bench has found.
type Report struct {
	Schema    string           `json:"schema"`
	Started   time.Time        `json:"started"`
	Machine   machine.Info     `json:"machine"`
	Ceilings  []*Ceilings      `json:"ceilings,omitempty"`     // of the CPU, if it computes anything
	GPU       *GPUCeilings     `json:"gpu_ceilings,omitempty"` // nil if none is used; of several power modes those in the first
	GPUModes  []*GPUCeilings   `json:"gpu_ceilings_by_power_mode,omitempty"`
	Reference roofline.Machine `json:"reference"` // what shares of the given bound refer to
	Results   []*Result        `json:"results"`
	Series    machine.Series   `json:"series"`
	Warnings  []string         `json:"warnings,omitempty"`
	Harness   *Harness         `json:"harness,omitempty"`
	// Interrupted is set if the run was broken off: what is here is right,
	// but not all that was asked for.
	Interrupted bool `json:"interrupted,omitempty"`
}

// Result is what one engine did in one test. Its first fields are those of
// llama-bench, with the same names and meanings.
type Result struct {
	BuildCommit   string    `json:"build_commit"`
	CPUInfo       string    `json:"cpu_info"`
	GPUInfo       string    `json:"gpu_info"` // empty if none computes anything
	Backends      string    `json:"backends"`
	ModelFilename string    `json:"model_filename"`
	ModelType     string    `json:"model_type"`
	ModelSize     int64     `json:"model_size"`
	ModelParams   int64     `json:"model_n_params"`
	Batch         int       `json:"n_batch"`
	Threads       int       `json:"n_threads"`
	GPULayers     int       `json:"n_gpu_layers"`
	TypeK         string    `json:"type_k"`
	TypeV         string    `json:"type_v"`
	Prompt        int       `json:"n_prompt"`
	Gen           int       `json:"n_gen"`
	Depth         int       `json:"n_depth"`
	TestTime      time.Time `json:"test_time"`
	AvgNS         float64   `json:"avg_ns"`
	StddevNS      float64   `json:"stddev_ns"`
	AvgTS         float64   `json:"avg_ts"`
	StddevTS      float64   `json:"stddev_ts"`
	SamplesNS     []int64   `json:"samples_ns"`
	SamplesTS     Sample    `json:"samples_ts"`

	Engine   string `json:"engine"` // qgo, llama.cpp and so on
	Kernels  string `json:"kernels,omitempty"`
	NoRepack bool   `json:"no_repack,omitempty"` // computed on the weights as they are in the file
	Scenario string `json:"scenario,omitempty"`
	// PowerMode is the mode that was set, empty if none was asked for.
	PowerMode machine.PowerMode `json:"power_mode,omitempty"`
	Cost      *model.Cost       `json:"cost,omitempty"`
	GPUCost   *model.Cost       `json:"gpu_cost,omitempty"` // what the GPU does of it
	Reps      []Rep             `json:"reps,omitempty"`
	Load      *Load             `json:"load,omitempty"`
	Ops       []Op              `json:"ops,omitempty"`
	// Incomplete is set if fewer repetitions were done than asked for.
	Incomplete bool `json:"incomplete,omitempty"`
	// Paired is set if the repetitions took turns with qgo's.
	Paired bool `json:"paired,omitempty"`

	Summary
}

// Summary is what follows from the repetitions; see [Result.Summarise].
type Summary struct {
	MedianTS  float64 `json:"median_ts,omitempty"`
	Bandwidth States  `json:"bandwidth,omitzero"` // of the probes around the repetitions
	// Launches is the number of kernels that a GPU ran for each token of the
	// phase that the rate is of.
	Launches float64 `json:"launches_per_token,omitempty"`
	// Exchanges is the number of vectors, likewise, that blocks of its kernels made together.
	Exchanges float64 `json:"exchanges_per_token,omitempty"`
	// Measured and Given are the bounds by this machine's probes and by the
	// reference. Of a test with two phases they are decode's.
	Measured *roofline.Bound `json:"measured_bound,omitempty"`
	Given    *roofline.Bound `json:"given_bound,omitempty"`
	// OfMeasured and OfGiven are the shares of the bounds: the median of each
	// repetition's share of its own probes, and that of the median rate.
	OfMeasured float64 `json:"share_of_measured,omitempty"`
	OfGiven    float64 `json:"share_of_given,omitempty"`
	GBS        float64 `json:"gb_per_second,omitempty"`
	GFLOPS     float64 `json:"gflop_per_second,omitempty"`
	Impossible bool    `json:"impossible,omitempty"` // above the measured bound

	TTFT       *Percentiles `json:"ttft_ms,omitempty"`
	ITL        *Percentiles `json:"itl_ms,omitempty"`  // of all gaps
	TPOT       *Percentiles `json:"tpot_ms,omitempty"` // mean gap of each request
	TTLT       *Percentiles `json:"ttlt_ms,omitempty"`
	Throughput float64      `json:"output_tokens_per_second,omitempty"` // over the whole request
	// PrefillTS and DecodeTS are the rates of the two phases of a request.
	PrefillTS float64 `json:"prefill_ts,omitempty"`
	DecodeTS  float64 `json:"decode_ts,omitempty"`

	JoulesPerToken float64 `json:"joules_per_token,omitempty"`
}

// Rep is one repetition.
type Rep struct {
	Start  time.Duration `json:"start_ns"` // since the report's start
	NS     int64         `json:"ns"`
	TTFT   int64         `json:"ttft_ns,omitempty"`
	Gaps   []int64       `json:"gaps_ns,omitempty"` // between tokens; in decode, the time of each
	Prompt int           `json:"prompt,omitempty"`  // tokens that there really were
	Gen    int           `json:"gen,omitempty"`
	// Before and After are the bandwidths that were probed before and after, in
	// bytes a second: of the GPU if it computes anything, and then CPUBefore
	// and CPUAfter those of the CPU if it does so, too.
	Before    float64 `json:"bandwidth_before,omitempty"`
	After     float64 `json:"bandwidth_after,omitempty"`
	CPUBefore float64 `json:"cpu_bandwidth_before,omitempty"`
	CPUAfter  float64 `json:"cpu_bandwidth_after,omitempty"`
	// PeakBefore and PeakAfter are the highest peaks of the CPU's arithmetic, in
	// operations a second, that were probed then.
	PeakBefore float64 `json:"peak_before,omitempty"`
	PeakAfter  float64 `json:"peak_after,omitempty"`
	// Launches is the number of kernels that a GPU ran in the phase that the
	// rate is of.
	Launches int64 `json:"launches,omitempty"`
	// Exchanges is the number of vectors, likewise, that blocks of kernels made together.
	Exchanges int64   `json:"exchanges,omitempty"`
	State     string  `json:"state,omitempty"` // of the bandwidth
	Joules    float64 `json:"joules,omitempty"`
	// Partial is set if the repetition was broken off: it has fewer tokens
	// than the test.
	Partial bool `json:"partial,omitempty"`
}

// probed is what was probed around the repetition.
func (r *Rep) probed() probed {
	return probed{(r.Before + r.After) / 2, (r.CPUBefore + r.CPUAfter) / 2, (r.PeakBefore + r.PeakAfter) / 2}
}

// Load is how long a model took from opening its file to its first token.
type Load struct {
	ColdNS int64 `json:"cold_ns,omitempty"` // after its pages had been dropped from the page cache
	WarmNS int64 `json:"warm_ns"`
}

// Test is what the result is of.
func (r *Result) Test() Test {
	return Test{Scenario: r.Scenario, Prompt: r.Prompt, Gen: r.Gen, Depth: r.Depth}
}

// Decodes reports whether the rate is that of decode.
func (r *Result) Decodes() bool { return r.Gen > 0 }

// Summarise fills in all that follows from the repetitions.
func (r *Result) Summarise(l Limits, given roofline.Machine) {
	r.SamplesNS, r.SamplesTS = nil, nil
	for i := range r.Reps {
		rep := &r.Reps[i]
		r.SamplesNS = append(r.SamplesNS, rep.NS)
		r.SamplesTS = append(r.SamplesTS, float64(rep.Prompt+rep.Gen)/(float64(rep.NS)/1e9))
	}
	ns := make(Sample, len(r.SamplesNS))
	for i, v := range r.SamplesNS {
		ns[i] = float64(v)
	}
	r.AvgNS, r.StddevNS = ns.Mean(), ns.Stddev()
	r.AvgTS, r.StddevTS = r.SamplesTS.Mean(), r.SamplesTS.Stddev()
	r.Summary = Summary{MedianTS: r.SamplesTS.Median()}
	r.summariseLatency()
	if r.Cost != nil && len(r.Reps) > 0 {
		r.summariseBounds(l, given)
	}
}

// rates are the rates of the phase that work is of, repetition by repetition.
func (r *Result) rates() Sample {
	if r.Prompt == 0 || r.Gen == 0 {
		return r.SamplesTS
	}
	var rates Sample
	for i := range r.Reps {
		rates = append(rates, r.Reps[i].decodeRate())
	}
	return rates
}

// decodeRate is the rate of the tokens after the first.
func (r *Rep) decodeRate() float64 {
	sum := int64(0)
	for _, g := range r.Gaps {
		sum += g
	}
	if sum == 0 {
		return 0
	}
	n := len(r.Gaps)
	if r.TTFT > 0 {
		n = r.Gen - 1 // a server may send several tokens at once
	}
	return float64(n) / (float64(sum) / 1e9)
}

func (r *Result) summariseBounds(l Limits, given roofline.Machine) {
	var probes, cpuProbes, peaks, launches, exchanges Sample
	for i := range r.Reps {
		rep := &r.Reps[i]
		if i == 0 {
			probes, cpuProbes, peaks = append(probes, rep.Before), append(cpuProbes, rep.CPUBefore), append(peaks, rep.PeakBefore)
		}
		probes, cpuProbes, peaks = append(probes, rep.After), append(cpuProbes, rep.CPUAfter), append(peaks, rep.PeakAfter)
		launches = append(launches, rep.perToken(rep.Launches))
		exchanges = append(exchanges, rep.perToken(rep.Exchanges))
	}
	r.Launches, r.Exchanges = launches.Median(), exchanges.Median()
	w, rates := r.work(*r.Cost), r.rates()
	rate := rates.Median()
	r.GBS, r.GFLOPS = rate*w.Bytes/1e9, rate*w.FLOP/1e9
	if given.Bandwidth > 0 {
		b := given.Bound(w)
		r.Given, r.OfGiven = &b, rate/b.Rate
	}
	if slices.Contains(probes, 0) {
		return // nothing was probed
	}
	r.Bandwidth = FindStates(probes)
	var shares Sample
	for i := range r.Reps {
		rep := &r.Reps[i]
		rep.State = r.Bandwidth.Around(rep.Before, rep.After)
		shares = append(shares, rates[i]/r.bound(rep.probed(), l).Rate)
	}
	b := r.bound(probed{probes.Median(), cpuProbes.Median(), peaks.Median()}, l)
	r.Measured, r.OfMeasured = &b, shares.Median()
	r.Impossible = Exceeds(rate, r.most(l))
}

// most is the rate that the best of what was probed around the repetitions allows,
// 0 if nothing is known to limit it. The caches of a large machine may hold a small
// model: then it reads faster than memory, and only arithmetic and launches limit it.
func (r *Result) most(l Limits) float64 {
	if r.Cost == nil || len(r.Reps) == 0 {
		return 0
	}
	var best probed
	for i := range r.Reps {
		rep := &r.Reps[i]
		if rep.Before <= 0 || rep.After <= 0 {
			return 0 // nothing was probed
		}
		best.main = max(best.main, rep.Before, rep.After)
		best.cpu = max(best.cpu, rep.CPUBefore, rep.CPUAfter)
		best.peak = max(best.peak, rep.PeakBefore, rep.PeakAfter)
	}
	best.peak = max(best.peak, l.CPU.Peak)
	if r.work(*r.Cost).Bytes <= Cacheable(l.Cache) {
		best.main, best.cpu = math.Inf(1), math.Inf(1)
	}
	rate := r.bound(best, l).Rate
	if math.IsInf(rate, 0) || math.IsNaN(rate) {
		return 0
	}
	return rate
}

// Most is the rate that a result of the report could have had at most by the best
// measurements on its machine, 0 if that is not known.
func (r *Report) Most(res *Result) float64 { return res.most(r.limits(res)) }

// Exceeds reports whether a rate is so far above the most that is possible that its
// time or its count of bytes must be wrong; false if the most is not known.
func Exceeds(rate, most float64) bool { return most > 0 && rate > Possible*most }

// Cached reports whether the model was read faster than memory can, from the
// caches, which have room for it.
func (r *Result) Cached() bool {
	return r.Measured != nil && !r.Impossible && r.OfMeasured > Possible && r.Measured.Binds == roofline.Memory
}

const (
	// Possible is how far above the bound by the best probe a rate may be.
	Possible = 1.05
	// caches is what caches may hold of a model, in bytes, where they are not known.
	caches = 128 << 20
)

// Cacheable is the size of a model of which the caches of a machine may hold so
// much that it is read faster than memory can, by the size of those of the last
// level together, 0 if it is not known.
func Cacheable(lastLevel int64) float64 { return max(caches, cacheFactor*float64(lastLevel)) }

// summariseLatency computes what a user waits for.
func (r *Result) summariseLatency() {
	var ttft, itl, tpot, ttlt, throughput, prefill, decode Sample
	const ms = 1e6
	for i := range r.Reps {
		rep := &r.Reps[i]
		for _, g := range rep.Gaps {
			itl = append(itl, float64(g)/ms)
		}
		if rep.TTFT == 0 {
			continue
		}
		ttft = append(ttft, float64(rep.TTFT)/ms)
		ttlt = append(ttlt, float64(rep.NS)/ms)
		prefill = append(prefill, float64(rep.Prompt)/(float64(rep.TTFT)/1e9))
		throughput = append(throughput, float64(rep.Gen)/(float64(rep.NS)/1e9))
		if rate := rep.decodeRate(); rate > 0 {
			decode = append(decode, rate)
			tpot = append(tpot, 1e3/rate)
		}
	}
	for _, x := range []struct {
		to   **Percentiles
		from Sample
	}{{&r.TTFT, ttft}, {&r.ITL, itl}, {&r.TPOT, tpot}, {&r.TTLT, ttlt}} {
		if len(x.from) > 0 {
			p := x.from.Percentiles()
			*x.to = &p
		}
	}
	r.Throughput, r.PrefillTS, r.DecodeTS = throughput.Median(), prefill.Median(), decode.Median()
}
