package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// The Jetson Nano, by its data sheet (DA-09366).
const (
	clock     = 921.6e6 // Hz
	bandwidth = 25.6e9  // bytes a second
	l2Bytes   = 256 << 10
)

// What predictions assume.
const (
	launchSeconds  = 8e-6 // from the end of a kernel to the begin of the next
	layerLaunches  = 11   // kernels of a block, in decode with the merging of attention, where V is of another type than Q and K
	otherLaunches  = 3
	decodeDepth    = 64 // tokens before, of a decoded token: the mean of tg128
	kernelAttend64 = "attend64_F16"
)

// part is a tensor, or those of all layers, in the output of qgo roofline.
type part struct {
	Name    string
	Type    string
	Tensors float64
	Weights float64
	Read    float64 // bytes a token
	Head    bool
	One     bool `json:"one_row_only"`
}

// survey is what predictions need of the output of qgo roofline -o json.
type survey struct {
	Model string
	Cost  struct{ KVRow, KVMACs float64 } // for a token before
	Parts []part
	Fit   struct {
		Need      float64 `json:"need_bytes"`
		Available float64 `json:"available_bytes"`
	}
}

// matrix is one of those of a part.
type matrix struct {
	part
	rows, cols float64
}

// matrices returns those that are multiplied, and the number of layers. Rows of
// all are as long as the norms' but for the last of a block.
func (s *survey) matrices() (list []matrix, layers float64) {
	width := 0.0
	for _, p := range s.Parts {
		if p.Name == "attn_norm.weight" {
			width, layers = p.Weights/p.Tensors, max(layers, p.Tensors)
		}
	}
	ffn := 0.0
	for _, p := range s.Parts {
		if strings.HasPrefix(p.Name, "ffn_up") {
			ffn = max(ffn, p.Weights/p.Tensors/width)
		}
	}
	for _, p := range s.Parts {
		if p.One || strings.HasSuffix(p.Name, "norm.weight") || strings.HasSuffix(p.Name, ".bias") {
			continue
		}
		m := matrix{part: p, cols: width}
		if strings.HasPrefix(p.Name, "ffn_down") {
			m.cols = ffn
		}
		m.rows = p.Weights / p.Tensors / m.cols
		list = append(list, m)
	}
	return list, layers
}

// predictor predicts speeds from the work of kernels by their names.
type predictor struct {
	work   map[string]work
	attend float64 // lane operations for a product
}

func ceil(a, b float64) float64 {
	n := float64(int(a / b))
	if n*b < a {
		n++
	}
	return n
}

// seconds is the time that lane operations take.
func seconds(operations float64) float64 { return operations / lanes / clock }

// decode is the time of a matrix times one row of x, and what memory takes of it.
func (p *predictor) decode(m matrix) (time, memory float64) {
	w := p.work["matvec1_"+m.Type]
	const blockRows = vecRows * vecThreads / warpThreads
	threads := ceil(m.rows, blockRows) * vecThreads
	iterations := ceil(m.cols/group, chunk)
	compute := seconds(threads * (iterations*w.loop.bound() + w.once.bound()) * m.Tensors)
	memory = m.Read / bandwidth
	return max(compute, memory), memory
}

// prefill is the time of a matrix times n rows of x.
func (p *predictor) prefill(m matrix, n float64) float64 {
	t := tilingOf(int(n))
	w := p.work[t.kernel+m.Type]
	tiles := ceil(n, float64(t.tile))
	blocks := ceil(m.rows, gemmTile) * tiles
	compute := seconds(blocks * gemmThread * (m.cols/group*w.loop.bound() + w.once.bound()) * m.Tensors)
	moved := m.Read * tiles
	if x := 4 * n * m.cols; x > l2Bytes { // read again for each tile of weights
		moved += x * ceil(m.rows, gemmTile) * m.Tensors
	}
	return max(compute, moved/bandwidth)
}

// attention is the time of n tokens after depth others.
func (p *predictor) attention(s *survey, depth, n float64) float64 {
	pairs := n*depth + n*(n+1)/2
	return max(seconds(pairs*s.Cost.KVMACs*p.attend), (depth+n)*s.Cost.KVRow/bandwidth)
}

// decodeTime is that of a token, and the share of it that memory takes.
func (p *predictor) decodeTime(s *survey) (time, share float64) {
	list, layers := s.matrices()
	memory := 0.0
	for _, m := range list {
		t, read := p.decode(m)
		time, memory = time+t, memory+read
	}
	time += p.attention(s, decodeDepth, 1) + launchSeconds*(layers*layerLaunches+otherLaunches)
	return time, memory / time
}

// prefillTime is that of a prompt, with logits of its last token.
func (p *predictor) prefillTime(s *survey, n float64) (time float64) {
	list, layers := s.matrices()
	for _, m := range list {
		if m.Head {
			t, _ := p.decode(m)
			time += t
			continue
		}
		time += p.prefill(m, n)
	}
	return time + p.attention(s, 0, n) + launchSeconds*(layers*layerLaunches+otherLaunches)
}

// print writes a table of the models of a stream.
func (p *predictor) print(out io.Writer, models io.Reader) error {
	prompts := []float64{16, 32, 64, 512}
	fmt.Fprintf(out, "PREDICTION, not measured: Jetson Nano (one SM of sm_53 at %.1f MHz, %.1f GB/s), tokens/s.\n", clock/1e6, bandwidth/1e9)
	fmt.Fprintf(out, "Decode at depth %d; memory is the share of its time for which weights are read. Assumed: %.0f µs a launch.\n", decodeDepth, launchSeconds*1e6)
	fmt.Fprintf(out, "%-20s %7s %7s", "model", "decode", "memory")
	for _, n := range prompts {
		fmt.Fprintf(out, " %10s", fmt.Sprintf("prompt %.0f", n))
	}
	fmt.Fprintf(out, "  %s\n", "GB of memory")
	for d := json.NewDecoder(models); ; {
		var s survey
		if err := d.Decode(&s); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("not the output of qgo roofline -o json: %w", err)
		}
		list, _ := s.matrices()
		for _, m := range list {
			if _, ok := p.work["matvec1_"+m.Type]; !ok {
				return fmt.Errorf("%s: %s is of type %s, which has no kernel", s.Model, m.Name, m.Type)
			}
		}
		time, share := p.decodeTime(&s)
		fmt.Fprintf(out, "%-20s %7.1f %5.0f %%", s.Model, 1/time, 100*share)
		for _, n := range prompts {
			fmt.Fprintf(out, " %10.1f", n/p.prefillTime(&s, n))
		}
		fmt.Fprintf(out, "  %s\n", s.fits())
	}
}

// fits says whether a model has room.
func (s *survey) fits() string {
	verdict := "fits"
	if s.Fit.Need > s.Fit.Available {
		verdict = "does not fit"
	}
	return fmt.Sprintf("%.2f of %.2f: %s", s.Fit.Need/1e9, s.Fit.Available/1e9, verdict)
}
