package model

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"qgo/kernels/plan"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/model/demo"
	"qgo/model/sample"
	"qgo/testdata"
)

func load(t testing.TB, o Options, elem ...string) *Model {
	t.Helper()
	m, err := Open(context.Background(), testdata.Path(t, elem...), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// tiny loads the embedded model.
func tiny(t testing.TB, o Options) *Model {
	t.Helper()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := Load(context.Background(), f, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// logits computes those of the last token, or of every token.
func logits(t testing.TB, m *Model, tokens []int32, want Want) []float32 {
	t.Helper()
	kv, err := m.NewKV(len(tokens))
	if err != nil {
		t.Fatal(err)
	}
	defer kv.Close()
	seq := []Seq{{KV: kv, Tokens: tokens, Want: want}}
	if err := m.Forward(context.Background(), seq); err != nil {
		t.Fatal(err)
	}
	return seq[0].Logits
}

func floats(t testing.TB, elem ...string) []float32 {
	t.Helper()
	b := testdata.Read(t, elem...)
	x := make([]float32, len(b)/4)
	for i := range x {
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return x
}

// distance is ‖x-y‖₂/‖y‖₂.
func distance(x, y []float32) float64 {
	var diff, size float64
	for i := range y {
		diff += math.Pow(float64(x[i])-float64(y[i]), 2)
		size += math.Pow(float64(y[i]), 2)
	}
	return math.Sqrt(diff / size)
}

type golden struct {
	Prompts []struct {
		Prompt, Text, Answer string
		IDs, Generated       []int32
	}
	SeqIDs []int32 `json:"seq_ids"`
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	if err := json.Unmarshal(testdata.Read(t, "godoc-tiny", "golden.json"), &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Prompts) != 16 || len(g.SeqIDs) != 256 {
		t.Fatalf("%d prompts and %d ids, want 16 and 256", len(g.Prompts), len(g.SeqIDs))
	}
	return g
}

// tinyFiles lists the quantisations of godoc-tiny with the mean negative
// log-likelihood over seq_ids in exact arithmetic.
var tinyFiles = []struct {
	name string
	nll  float64
}{
	{"f16", 0.55345}, {"q8_0", 0.55175}, {"q6_k", 0.56762}, {"q5_1", 0.54968}, {"q5_0", 0.58614}, {"q5_k_m", 0.57988},
	{"q4_1", 0.57075}, {"q4_0", 0.60781}, {"q4_k_m", 0.58324}, {"iq4_nl", 0.59857}, {"q3_k_m", 0.70427}, {"q2_k", 1.75197},
}

// loadTiny loads godoc-tiny in a quantisation.
func loadTiny(t testing.TB, name string, o Options) *Model {
	t.Helper()
	if name == "q8_0" {
		return tiny(t, o)
	}
	return load(t, o, "godoc-tiny", "godoc-tiny-"+name+".gguf")
}

// TestExact compares with logits in float64 for 16 prompts, and with
// likelihoods.
func TestExact(t *testing.T) {
	g := readGolden(t)
	for _, file := range tinyFiles {
		t.Run(file.name, func(t *testing.T) {
			if testing.Short() && file.name != "q8_0" {
				t.Skip("one file is enough for a short test")
			}
			want := floats(t, "godoc-tiny", "reference", file.name+".f32")
			m := loadTiny(t, file.name, Options{Exact: true})
			worst := 0.0
			var seqs []Seq
			for _, p := range g.Prompts {
				seqs = append(seqs, Seq{KV: newKV(t, m, len(p.IDs)), Tokens: p.IDs, Want: WantLast})
			}
			if err := m.Forward(context.Background(), seqs); err != nil {
				t.Fatal(err)
			}
			for i := range g.Prompts {
				d := distance(seqs[i].Logits, want[i*m.Vocab:(i+1)*m.Vocab])
				worst = max(worst, d)
				if !(d <= 1e-5) {
					t.Errorf("prompt %d: relative distance %.2g, want at most 1e-5", i, d)
				}
			}
			nll := meanNLL(t, m, g.SeqIDs)
			t.Logf("worst distance %.2g, mean negative log-likelihood %.5f", worst, nll)
			if math.Abs(nll-file.nll) > 5e-5 {
				t.Errorf("mean negative log-likelihood %.5f, want %.5f", nll, file.nll)
			}
		})
	}
}

func meanNLL(t testing.TB, m *Model, ids []int32) (sum float64) {
	t.Helper()
	all := logits(t, m, ids, WantAll)
	for i, id := range ids[1:] {
		p, err := sample.LogProb(all[i*m.Vocab:(i+1)*m.Vocab], id)
		if err != nil {
			t.Fatal(err)
		}
		sum -= p
	}
	return sum / float64(len(ids)-1)
}

type wide struct {
	IDs       []int32
	Positions []int
}

func readWide(t testing.TB) (w wide) {
	t.Helper()
	if err := json.Unmarshal(testdata.Read(t, "wide128", "wide128.json"), &w); err != nil {
		t.Fatal(err)
	}
	if len(w.IDs) != 1200 || len(w.Positions) != 19 {
		t.Fatalf("%d ids and %d positions, want 1200 and 19", len(w.IDs), len(w.Positions))
	}
	return w
}

// TestExactWide compares logits at positions of a long text: head size 128,
// untied head, large biases of the keys.
func TestExactWide(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds per file")
	}
	w := readWide(t)
	for _, name := range []string{"f16", "q8_0", "q6_k", "q4_k_m", "q4_0", "q2_k"} {
		t.Run(name, func(t *testing.T) {
			want := floats(t, "wide128", "wide128-"+name+".f32")
			all := exactLogits(t, "wide128", name, w.IDs)
			vocab := len(all) / len(w.IDs)
			worst := 0.0
			for i, pos := range w.Positions {
				d := distance(all[pos*vocab:(pos+1)*vocab], want[i*vocab:(i+1)*vocab])
				worst = max(worst, d)
				if !(d <= 1e-5) {
					t.Errorf("position %d: relative distance %.2g, want at most 1e-5", pos, d)
				}
			}
			t.Logf("worst distance %.2g", worst)
		})
	}
}

// TestGolden generates the known answers token for token, in every tier.
func TestGolden(t *testing.T) {
	g := readGolden(t)
	for _, name := range []string{"f16", "q8_0"} {
		for _, o := range []Options{{Exact: true}, {}, {KV: "q8_0"}, {KV: "f32"}} {
			t.Run(fmt.Sprintf("%s,exact=%v,kv=%s", name, o.Exact, o.KV), func(t *testing.T) {
				g := g
				if testing.Short() {
					if name != "q8_0" || o.Exact {
						t.Skip("one file is enough for a short test")
					}
					g.Prompts = g.Prompts[:2]
				}
				if o.Exact { // most of the time goes into weights, which all prompts share
					g.check(t, loadTiny(t, name, o), len(g.Prompts))
					return
				}
				tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) {
					o.Tier = tier.Name
					g := g
					if tier.Panels == nil { // plain Go takes most of the time
						g.Prompts = g.Prompts[:2]
					}
					g.check(t, loadTiny(t, name, o), 1)
				})
			})
		}
	}
}

// check generates the answers with a model, so many at a time.
func (g golden) check(t *testing.T, m *Model, together int) {
	for first := 0; first < len(g.Prompts); first += together {
		prompts := g.Prompts[first:min(first+together, len(g.Prompts))]
		var seqs []Seq
		for _, p := range prompts {
			kv, err := m.NewKV(512)
			if err != nil {
				t.Fatal(err)
			}
			defer kv.Close()
			seqs = append(seqs, Seq{KV: kv, Tokens: p.IDs, Want: WantLast, Greedy: len(p.Generated)})
		}
		if err := m.Forward(context.Background(), seqs); err != nil {
			t.Fatal(err)
		}
		for i, p := range prompts {
			if !slices.Equal(seqs[i].Out, p.Generated) {
				t.Errorf("prompt %d: %v, want %v", first+i, seqs[i].Out, p.Generated)
			}
			if n := seqs[i].KV.Len(); n != len(p.IDs)+len(p.Generated)-1 {
				t.Errorf("prompt %d: %d positions are cached", first+i, n)
			}
		}
	}
}

// divergence compares logits, position by position: the mean of
// KL(exact ‖ got) in nats and the share of positions with the same top token.
func divergence(t testing.TB, got, exact []float32, vocab int) (kl, top float64) {
	t.Helper()
	p, q := make([]float64, vocab), make([]float64, vocab)
	n := len(exact) / vocab
	for i := range n {
		a, b := exact[i*vocab:(i+1)*vocab], got[i*vocab:(i+1)*vocab]
		for _, err := range []error{sample.LogSoftmax(p, a), sample.LogSoftmax(q, b)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		for j := range p {
			kl += math.Exp(p[j]) * (p[j] - q[j])
		}
		if plan.Largest(a) == plan.Largest(b) {
			top++
		}
	}
	return kl / float64(n), top / float64(n)
}
