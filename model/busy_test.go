package model

import (
	"context"
	"flag"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"qgo/kernels"
	"qgo/model/synth"
	"qgo/quant"
)

var (
	busyModel   = flag.String("busy-model", "", "GGUF file for BenchmarkBusy; without one, the shape of Qwen2.5-0.5B in q4_0")
	busyThreads = flag.Int("busy-threads", 0, "threads of BenchmarkBusy; 0 means one per core")
)

// BenchmarkBusy measures prefill and decode beside k busy loops on n cores, for
// k = 0 to n in up to five steps, and once with two models at once. Each
// iteration measures quiet, loaded, loaded with one thread, and again quiet from
// half a second after the load's end; reported are medians: tokens/s of the
// first three, the loaded rate as a share of the quiet one and of the one
// thread's, and the last one's of the quiet one.
//
//	go test ./model -run '^$' -bench Busy -benchtime 5x
func BenchmarkBusy(b *testing.B) {
	if _, err := exec.LookPath("sh"); err != nil {
		b.Skip("needs sh, which runs the busy loops")
	}
	threads := *busyThreads
	if threads == 0 {
		threads = kernels.Cores()
	}
	team, other, one := busyRunner(b, threads), busyRunner(b, threads), busyRunner(b, 1)
	for _, phase := range []string{"prefill", "decode"} {
		for k := 0; k <= kernels.Cores(); k += max(1, kernels.Cores()/4) {
			b.Run(fmt.Sprintf("%s/%dof%d", phase, k, kernels.Cores()), func(b *testing.B) {
				var quiet, loaded, single, after []float64
				for b.Loop() {
					quiet = append(quiet, team.rate(b, phase))
					stop := busyLoops(b, k)
					loaded = append(loaded, team.rate(b, phase))
					single = append(single, one.rate(b, phase))
					stop()
					settle()
					after = append(after, team.rate(b, phase))
				}
				reportBusy(b, quiet, loaded, single)
				b.ReportMetric(medianOf(after)/medianOf(quiet), "after-of-quiet")
			})
		}
		b.Run(phase+"/two", func(b *testing.B) {
			var quiet, sum []float64
			for b.Loop() {
				quiet = append(quiet, team.rate(b, phase))
				// In one process, but two teams know nothing of each other.
				rates := make(chan float64)
				go func() { rates <- other.rate(b, phase) }()
				ours := team.rate(b, phase)
				sum = append(sum, ours+<-rates)
			}
			reportBusy(b, quiet, sum, nil)
		})
	}
}

// BenchmarkForward measures prefill of 512 tokens and decode after up to 512,
// on a machine that should do nothing else.
func BenchmarkForward(b *testing.B) {
	threads := *busyThreads
	if threads == 0 {
		threads = kernels.Cores()
	}
	r := busyRunner(b, threads)
	for phase, n := range map[string]int{"prefill": busyPrompt, "decode": 1} {
		b.Run(fmt.Sprintf("%s/%d", phase, threads), func(b *testing.B) {
			ids := make([]int32, n)
			for b.Loop() {
				if phase == "prefill" || r.kv.Len() == busyPrompt {
					r.kv.Truncate(0)
				}
				if err := r.m.Forward(context.Background(), []Seq{{KV: r.kv, Tokens: ids, Want: WantLast}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

func reportBusy(b *testing.B, quiet, loaded, single []float64) {
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(medianOf(quiet), "quiet-tokens/s")
	b.ReportMetric(medianOf(loaded), "tokens/s")
	b.ReportMetric(medianOf(loaded)/medianOf(quiet), "of-quiet")
	if single != nil {
		b.ReportMetric(medianOf(single), "one-thread-tokens/s")
		b.ReportMetric(medianOf(loaded)/medianOf(single), "of-one-thread")
	}
}

func medianOf(x []float64) float64 { return slices.Sorted(slices.Values(x))[len(x)/2] }

// busyRun is a model with a team of its own.
type busyRun struct {
	m  *Model
	kv *KV
}

const busyPrompt = 512 // tokens

func busyRunner(b *testing.B, threads int) *busyRun {
	b.Helper()
	o := Options{Threads: threads, Context: 2 * busyPrompt}
	m, err := openBusy(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	return &busyRun{m: m, kv: newKV(b, m, 2*busyPrompt)}
}

func openBusy(o Options) (*Model, error) {
	if *busyModel != "" {
		return Open(context.Background(), *busyModel, o)
	}
	mix, err := quant.ParseMix("q4_0")
	if err != nil {
		return nil, err
	}
	f, err := synth.Build(synth.Spec{Shape: synth.Shapes[0], Mix: mix, Vocab: 151936, Seed: 1})
	if err != nil {
		return nil, err
	}
	return Load(context.Background(), f, o)
}

// rate runs a phase for a second or two and returns its tokens per second.
func (r *busyRun) rate(b *testing.B, phase string) float64 {
	const atLeast = 1500 * time.Millisecond
	n := 1
	if phase == "prefill" {
		n = busyPrompt
	}
	ids := make([]int32, n)
	tokens := 0
	start := time.Now()
	for time.Since(start) < atLeast {
		if phase == "prefill" || r.kv.Len()+n > busyPrompt {
			r.kv.Truncate(0)
		}
		if err := r.m.Forward(context.Background(), []Seq{{KV: r.kv, Tokens: ids, Want: WantLast}}); err != nil {
			b.Error(err)
			return 0
		}
		tokens += n
	}
	return float64(tokens) / time.Since(start).Seconds()
}

// busyLoops starts k processes that compute for ever, and returns what ends
// them.
func busyLoops(b *testing.B, k int) (stop func()) {
	b.Helper()
	var all []*exec.Cmd
	stop = func() {
		for _, c := range all {
			_ = c.Process.Kill()
			_ = c.Wait()
		}
		all = nil
	}
	b.Cleanup(stop)
	for range k {
		c := exec.Command("sh", "-c", "while :; do :; done")
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
		all = append(all, c)
	}
	settle()
	return stop
}

// settle gives the system time to place new threads, and a team the time after
// which it is to be at full speed again.
func settle() {
	runtime.GC()
	time.Sleep(500 * time.Millisecond)
}
