package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"qgo/kernels/asm/panels"
)

// machine is what a prediction is for.
type machine struct {
	cores     int
	clock     float64 // Hz
	bandwidth float64 // bytes a second that the cores can read together
}

// roofline is what predictions need of the output of qgo roofline -o json.
type roofline struct {
	Model string
	Parts []struct {
		Type    string
		Cols    int
		Weights float64
		Read    float64 // bytes a token
		Head    bool
		One     bool `json:"one_row_only"`
	}
}

// prompt is the number of tokens over which prefill reads the weights once.
const prompt = 512

// predict prints for each model of a stream what its matrices allow: a token
// takes for those of a type as long as reading them or multiplying them,
// whichever is longer. Attention and the rest come on top.
func predict(m machine, cpu, program, suffix string, models io.Reader) error {
	cycles := map[string]map[int]float64{} // by type and rows of a call, of each row, for 32 weights
	for _, f := range panels.Integers() {
		cycles[f.Name] = map[int]float64{}
		for _, rows := range []int{1, 16, 32, 64} {
			r, err := kernel(cpu, program, f.Name, suffix, rows)
			if err != nil {
				return err
			}
			cycles[f.Name][rows] = r.cycles
		}
	}
	fmt.Printf("prediction for %d x %s at %.2f GHz reading %.1f GB/s, tokens/s: decode, the share of it that memory takes; prefill of %d\n",
		m.cores, cpu, m.clock/1e9, m.bandwidth/1e9, prompt)
	for d := json.NewDecoder(models); ; {
		var model roofline
		if err := d.Decode(&model); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("not the output of qgo roofline -o json: %w", err)
		}
		read, compute := map[string]float64{}, map[string]float64{} // seconds by type
		prefill := 0.0
		for _, p := range model.Parts {
			c, known := cycles[p.Type]
			if !known || p.One {
				continue // norms, biases and the embedding
			}
			clocks := p.Weights / 32 / float64(m.cores) / m.clock
			read[p.Type] += p.Read / m.bandwidth
			planes := 1.0
			if p.Head {
				planes = 2 // of its activations: see docs/architecture.md
			}
			compute[p.Type] += clocks * c[1] * planes
			prefill += p.Read / m.bandwidth / prompt
			if !p.Head {
				prefill += clocks * c[panels.CallRows(p.Cols)]
			}
		}
		decode, reading := 0.0, 0.0
		for t := range read {
			decode += max(read[t], compute[t])
			reading += read[t]
		}
		fmt.Printf("%-20s %6.1f %4.0f %% %7.1f\n", model.Model, 1/decode, 100*reading/decode, 1/prefill)
	}
}
