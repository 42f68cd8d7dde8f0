package model

import (
	"context"
	"fmt"
	"math"
	"testing"

	"qgo/gguf"
	"qgo/kernels/tier"
	"qgo/kernels/tier/tiertest"
	"qgo/model/arch"
	"qgo/model/synth"
	"qgo/quant/codec"
)

// reference computes logits in float64, straight from the formulas, of models
// whose blocks the families share. It knows a file by its tensors alone.
type reference struct {
	f                     *gguf.File
	width, heads, kv, dim int
	blocks                int
	ropeBase, eps         float64
}

// tensor returns the weights, nil for a tensor that is not there.
func (r *reference) tensor(name string) []float64 {
	t, ok := r.f.Tensor(name)
	if !ok {
		return nil
	}
	w := make([]float32, t.Elements())
	codec.Dequantize(t.Type, w, t.Data)
	x := make([]float64, len(w))
	for i, v := range w {
		x[i] = float64(v)
	}
	return x
}

// linear is W·x + b.
func (r *reference) linear(name string, x []float64) []float64 {
	w, bias := r.tensor(name+".weight"), r.tensor(name+".bias")
	y := make([]float64, len(w)/len(x))
	for i := range y {
		for j, v := range x {
			y[i] += w[i*len(x)+j] * v
		}
		if bias != nil {
			y[i] += bias[i]
		}
	}
	return y
}

// norm is RMSNorm (arXiv:1910.07467): x / sqrt(mean(x²) + ε) · w.
func (r *reference) norm(x, w []float64) []float64 {
	var sum float64
	for _, v := range x {
		sum += v * v
	}
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = v / math.Sqrt(sum/float64(len(x))+r.eps) * w[i]
	}
	return y
}

// turned cuts x into heads, which it norms and turns by the angles of position
// pos (arXiv:2104.09864, with pairs half a head apart).
func (r *reference) turned(x, norm []float64, pos int) (heads [][]float64) {
	for h := range len(x) / r.dim {
		head := x[h*r.dim : (h+1)*r.dim]
		if norm != nil {
			head = r.norm(head, norm)
		}
		out, half := make([]float64, r.dim), r.dim/2
		for i := range half {
			sin, cos := math.Sincos(float64(pos) * math.Pow(r.ropeBase, -2*float64(i)/float64(r.dim)))
			out[i], out[half+i] = head[i]*cos-head[half+i]*sin, head[half+i]*cos+head[i]*sin
		}
		heads = append(heads, out)
	}
	return heads
}

// logits are those after each of the tokens.
func (r *reference) logits(tokens []int32) (all [][]float64) {
	embedding := r.tensor("token_embd.weight")
	x := make([][]float64, len(tokens))
	for i, id := range tokens {
		x[i] = append([]float64(nil), embedding[int(id)*r.width:][:r.width]...)
	}
	add := func(i int, y []float64) {
		for j, v := range y {
			x[i][j] += v
		}
	}
	for b := range r.blocks {
		name := func(s string) string { return fmt.Sprintf("blk.%d.%s", b, s) }
		attnNorm, ffnNorm := r.tensor(name("attn_norm.weight")), r.tensor(name("ffn_norm.weight"))
		qNorm, kNorm := r.tensor(name("attn_q_norm.weight")), r.tensor(name("attn_k_norm.weight"))
		var keys [][][]float64
		var values [][]float64
		for i := range x {
			h := r.norm(x[i], attnNorm)
			keys = append(keys, r.turned(r.linear(name("attn_k"), h), kNorm, i))
			values = append(values, r.linear(name("attn_v"), h))
			var out []float64
			for head, q := range r.turned(r.linear(name("attn_q"), h), qNorm, i) {
				group := head / (r.heads / r.kv)
				weights, sum := make([]float64, i+1), 0.0
				for p := range weights {
					var dot float64
					for j, v := range q {
						dot += v * keys[p][group][j]
					}
					weights[p] = math.Exp(dot / math.Sqrt(float64(r.dim)))
					sum += weights[p]
				}
				mixed := make([]float64, r.dim)
				for p, w := range weights {
					for j := range mixed {
						mixed[j] += w / sum * values[p][group*r.dim+j]
					}
				}
				out = append(out, mixed...)
			}
			add(i, r.linear(name("attn_output"), out))
		}
		for i := range x {
			h := r.norm(x[i], ffnNorm)
			gate, up := r.linear(name("ffn_gate"), h), r.linear(name("ffn_up"), h)
			for j, v := range gate {
				up[j] *= v / (1 + math.Exp(-v))
			}
			add(i, r.linear(name("ffn_down"), up))
		}
	}
	outNorm := r.tensor("output_norm.weight")
	for i := range x {
		h := r.norm(x[i], outNorm)
		y := make([]float64, len(embedding)/r.width) // the head is the embedding
		for id := range y {
			for j, v := range h {
				y[id] += embedding[id*r.width+j] * v
			}
		}
		all = append(all, y)
	}
	return all
}

// familyTokens are what the models of eachFamily are asked.
var familyTokens = []int32{5, 77, 19999, 5, 0, 123, 3210, 42, 17, 5, 9}

// eachFamily runs f for a small model of each family, with weights of the mix and
// heads that are no part of the width; check compares what options compute of it
// with the formulas.
func eachFamily(t *testing.T, mix string, f func(t *testing.T, check func(t *testing.T, o Options, most float64))) {
	for _, family := range arch.All {
		t.Run(family.Name+"/"+mix, func(t *testing.T) {
			spec, err := synth.ParseSpec("0.5b", mix)
			if err != nil {
				t.Fatal(err)
			}
			spec.Shape = synth.Shape{Name: "small", Width: 96, FFN: 160, Blocks: 3, Heads: 4, KV: 2, HeadDim: 64, Arch: family}
			spec.Vocab = 20000
			file, err := synth.Build(spec)
			if err != nil {
				t.Fatal(err)
			}
			r := &reference{f: file, width: 96, heads: 4, kv: 2, dim: 64, blocks: 3, ropeBase: 1e6, eps: float64(float32(1e-6))}
			want := r.logits(familyTokens)
			f(t, func(t *testing.T, o Options, most float64) {
				o.Context, o.MaxRows = 32, 8
				o.Notify = func(text string) { t.Error(text) }
				m, err := Load(context.Background(), file, o)
				if err != nil {
					t.Fatal(err)
				}
				defer m.Close()
				if e := deviation(logits(t, m, familyTokens, WantAll), want); !(e <= most) {
					t.Errorf("the logits differ by %.2g of their size, want at most %.2g", e, most)
				}
			})
		})
	}
}

// deviation is that of logits from rows of exact ones, relative to their size.
func deviation(got []float32, want [][]float64) float64 {
	var diff, size float64
	for i, row := range want {
		for j, v := range row {
			diff += math.Pow(float64(got[i*len(row)+j])-v, 2)
			size += v * v
		}
	}
	return math.Sqrt(diff / size)
}

// TestFamilies compares models of each family with the formulas, in every tier
// and exactly.
func TestFamilies(t *testing.T) {
	for mix, most := range map[string]float64{"f32": 1e-6, "q8_0": 0.003} {
		eachFamily(t, mix, func(t *testing.T, check func(*testing.T, Options, float64)) {
			tiertest.ForAll(t, func(t *testing.T, tier *tier.Tier) { check(t, Options{KV: "f32", Tier: tier.Name}, most) })
			t.Run("exact", func(t *testing.T) { check(t, Options{Exact: true}, 1e-6) })
		})
	}
}

// TestGPUFamilies does so on a GPU.
func TestGPUFamilies(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	for _, mix := range []string{"f32", "q8_0"} {
		eachFamily(t, mix, func(t *testing.T, check func(*testing.T, Options, float64)) {
			check(t, Options{Exact: true, Device: dev, GPULayers: AllLayers}, 1e-6)
		})
	}
}
