package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"qgo/gguf"
	"qgo/model"
)

func newInspect() *cobra.Command {
	var (
		m       modelFlags
		tensors bool
		meta    bool
	)
	cmd := &cobra.Command{
		Use:   "inspect [FILE]",
		Short: "Show what is in a model file and what it takes to run it",
		Example: `  qgo inspect qwen2.5-0.5b-instruct-q4_0.gguf
  qgo inspect FILE --ctx 32768 --kv q8_0 --tensors
  qgo inspect FILE --device cuda:0 --gpu-layers 20
  qgo inspect FILE -o json`,
		ValidArgsFunction: completeModel,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usagef(cmd, "expected one file, found %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				m.path = args[0]
			}
			f, err := m.file(cmd)
			if err != nil {
				return err
			}
			defer f.Close()
			r := newReport(f)
			if err := m.device.apply(cmd, &m.options); err != nil {
				return err
			}
			c, memory, cost, err := model.Survey(f, m.options)
			switch {
			case err == nil:
				r.Config, r.Memory, r.Cost = c, &memory, &cost
				r.Context = m.options.Context
				if r.Context == 0 {
					r.Context = min(model.DefaultContext, c.Context)
				}
				r.place(m.options)
			case m.path == "":
				return err
			}
			if wantsJSON(cmd) {
				if err := printJSON(cmd, r); err != nil {
					return err
				}
			} else {
				r.print(cmd.OutOrStdout(), meta, tensors)
			}
			if err != nil { // readable as GGUF, but not a model that runs
				return errors.Join(errors.New("qgo cannot run this file"), err)
			}
			return nil
		},
	}
	f := cmd.Flags()
	m.add(f)
	m.addExact(f)
	f.BoolVar(&tensors, "tensors", false, "list every tensor")
	f.BoolVar(&meta, "metadata", false, "list all metadata")
	return cmd
}

// report is what inspect prints.
type report struct {
	File    string         `json:"file"`
	Bytes   int64          `json:"bytes"`
	Version int            `json:"gguf_version"`
	Config  *model.Config  `json:"config,omitempty"`
	Context int            `json:"context,omitempty"`
	Memory  *model.Memory  `json:"memory_bytes,omitempty"`
	Cost    *model.Cost    `json:"cost,omitempty"`
	GPU     *gpuPlacement  `json:"gpu,omitempty"` // nil if none is to be used
	Meta    map[string]any `json:"metadata"`
	Tensors []tensorInfo   `json:"tensors"`

	file *gguf.File
}

// gpuPlacement is what would be on a GPU.
type gpuPlacement struct {
	model.Placement
	Device string `json:"device"`
	Free   int64  `json:"free_bytes"` // of the GPU's memory
	Total  int64  `json:"total_bytes"`
	Error  string `json:"error,omitempty"` // why nothing would be on it
}

// place finds out what the GPU of the options would compute.
func (r *report) place(o model.Options) {
	if o.GPU == nil {
		return
	}
	g := &gpuPlacement{Device: fmt.Sprintf("%v (%s)", o.GPU, o.GPU.Info().Name)}
	r.GPU = g
	var err, failed error
	g.Free, g.Total, failed = o.GPU.MemInfo()
	g.Placement, err = model.Place(r.file, o)
	if err = errors.Join(failed, err); err != nil {
		g.Error = err.Error()
	}
}

// print writes it in the lines of a report.
func (g *gpuPlacement) print(w io.Writer) {
	fmt.Fprintf(w, "GPU        %s: %s of %s free\n", g.Device, bytesText(g.Free), bytesText(g.Total))
	switch {
	case g.Error != "":
		fmt.Fprintf(w, "placement  all on the CPU, for the GPU cannot be used: %s\n", g.Error)
	case g.OnCPU == "":
		fmt.Fprintf(w, "placement  all on the GPU, %s of its memory: %s\n", bytesText(g.GPUBytes), g.OnGPU)
	default:
		fmt.Fprintf(w, "placement  %d of %d layers on the GPU, %s of its memory: %s\n", g.GPULayers, g.Layers, bytesText(g.GPUBytes), g.OnGPU)
		fmt.Fprintf(w, "           the others on the CPU: %s\n", g.OnCPU)
	}
}

type tensorInfo struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Dims   []int  `json:"dims"`
	Bytes  int    `json:"bytes"`
	Offset int64  `json:"offset"`
}

func newReport(f *gguf.File) *report {
	r := &report{File: f.Name, Bytes: f.Size(), Version: f.Version, Meta: map[string]any{}, file: f}
	for _, kv := range f.Meta {
		r.Meta[kv.Key] = brief(kv.Value)
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		r.Tensors = append(r.Tensors, tensorInfo{t.Name, t.Type.String(), t.Dims, len(t.Data), t.Offset})
	}
	return r
}

// brief shortens long lists and texts.
func brief(v any) any {
	const limit = 100
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return fmt.Sprintf("%.*q", limit, v)
		}
		if line, _, cut := strings.Cut(v, "\n"); cut || utf8.RuneCountInString(v) > limit {
			return string([]rune(line)[:min(limit, utf8.RuneCountInString(line))]) + "…"
		}
		return v
	case []string:
		return fmt.Sprintf("%d strings", len(v))
	case []any:
		return fmt.Sprintf("%d lists", len(v))
	case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64, float32, float64:
		return v
	}
	return fmt.Sprintf("%T", v)
}

func (r *report) print(w io.Writer, meta, tensors bool) {
	fmt.Fprintf(w, "%s: GGUF version %d, %s, %d tensors\n", r.File, r.Version, bytesText(r.Bytes), len(r.Tensors))
	if c := r.Config; c != nil {
		head := "its own head"
		if c.Tied {
			head = "head tied to the embedding"
		}
		fmt.Fprintf(w, "model      %s: %d blocks of width %d, ffn %d, %d heads of %d on %d KV heads, %d tokens, %s\n",
			c.Name, c.Blocks, c.Width, c.FFN, c.Heads, c.HeadDim, c.KVHeads, c.Vocab, head)
		fmt.Fprintf(w, "types      %s\n", r.types())
		fmt.Fprintf(w, "a token    reads %s of weights and %s of KV cache for each token before it; %.3g GFLOP\n",
			bytesText(r.Cost.Weights), bytesText(r.Cost.KVRow), float64(r.Cost.FLOP(0))/1e9)
		m := r.Memory
		where := ""
		if r.GPU != nil {
			where = ", were all on the CPU"
		}
		fmt.Fprintf(w, "memory     %s with a context of %d%s: weights %s, of the file %s, KV cache %s, buffers %s, vocabulary %s, program %s\n",
			bytesText(m.Total()), r.Context, where, bytesText(m.Weights), bytesText(m.File), bytesText(m.KV), bytesText(m.Scratch), bytesText(m.Vocabulary), bytesText(m.Program))
		if r.GPU != nil {
			r.GPU.print(w)
		}
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if meta {
		fmt.Fprintln(w)
		for _, kv := range r.file.Meta {
			fmt.Fprintf(tw, "%s\t%v\n", kv.Key, brief(kv.Value))
		}
		tw.Flush()
	}
	if tensors {
		fmt.Fprintln(w)
		for _, t := range r.Tensors {
			fmt.Fprintf(tw, "%s\t%s\t%v\t%s\n", t.Name, t.Type, t.Dims, bytesText(t.Bytes))
		}
		tw.Flush()
	}
}

// types sums up the tensors by type, in order of appearance.
func (r *report) types() string {
	var order []string
	count, size := map[string]int{}, map[string]int{}
	for _, t := range r.Tensors {
		if count[t.Type] == 0 {
			order = append(order, t.Type)
		}
		count[t.Type]++
		size[t.Type] += t.Bytes
	}
	for i, name := range order {
		order[i] = fmt.Sprintf("%s ×%d (%s)", name, count[name], bytesText(size[name]))
	}
	return strings.Join(order, ", ")
}
