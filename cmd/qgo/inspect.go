package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/tokenizer"
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
			if err == nil {
				err = r.look()
			}
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
	Texts   *texts         `json:"texts,omitempty"`
	Notes   []string       `json:"notes,omitempty"` // what is odd
	Meta    map[string]any `json:"metadata"`
	Tensors []tensorInfo   `json:"tensors"`

	file *gguf.File
}

// texts says what begins and ends a text.
type texts struct {
	BOS    string `json:"bos"`     // "" if no token begins texts
	AddBOS bool   `json:"add_bos"` // whether it is put before every text
	EOS    string `json:"eos"`
}

// look finds out what else there is to say about a model that can be run.
func (r *report) look() (err error) {
	if r.Notes, err = model.Oddities(r.file); err != nil {
		return err
	}
	t, err := tokenizer.FromGGUF(r.file)
	if err != nil {
		return err
	}
	r.Texts = &texts{BOS: show.Text(t.BOSText()), AddBOS: t.AddBOS(), EOS: show.Text(t.EOSText())}
	return nil
}

// print writes it in a line of a report.
func (t *texts) print(w io.Writer) {
	begin, end := "with no token of its own", "with none"
	switch {
	case t.AddBOS:
		begin = "with " + t.BOS + ", which is put before each"
	case t.BOS != "":
		begin = "with no token (" + t.BOS + " is not put before them)"
	}
	if t.EOS != "" {
		end = "with " + t.EOS
	}
	fmt.Fprintf(w, "texts      begin %s, and end %s\n", begin, end)
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
	if o.Device == nil {
		return
	}
	g := &gpuPlacement{Device: fmt.Sprintf("%v (%s)", o.Device, o.Device.Info().Name)}
	r.GPU = g
	var err, failed error
	g.Free, g.Total, failed = o.Device.MemInfo()
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
		r.Meta[show.Text(kv.Key)] = brief(kv.Value)
	}
	for i := range f.Tensors {
		t := &f.Tensors[i]
		r.Tensors = append(r.Tensors, tensorInfo{show.Text(t.Name), t.Type.String(), t.Dims, len(t.Data), t.Offset})
	}
	return r
}

// brief returns a value as it is shown: lists by their length, texts short.
func brief(v any) any {
	switch v := v.(type) {
	case string:
		return show.Text(v)
	case []string:
		return fmt.Sprintf("%d strings", len(v))
	case []any:
		return fmt.Sprintf("%d lists", len(v))
	case float32:
		return finite(float64(v), v)
	case float64:
		return finite(v, v)
	case bool, uint8, int8, uint16, int16, uint32, int32, uint64, int64:
		return v
	}
	return fmt.Sprintf("%d numbers", reflect.ValueOf(v).Len())
}

// finite returns v, or its name if it is x and JSON has no such number.
func finite(x float64, v any) any {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return fmt.Sprint(x)
	}
	return v
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
	if r.Texts != nil {
		r.Texts.print(w)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "note       %s\n", note)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if meta {
		fmt.Fprintln(w)
		for _, kv := range r.file.Meta {
			fmt.Fprintf(tw, "%s\t%v\n", show.Text(kv.Key), brief(kv.Value))
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
