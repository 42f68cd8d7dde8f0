package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/html"
	"qgo/bench/roofline"
	"qgo/gguf/show"
	"qgo/kernels"
	"qgo/model"
	"qgo/model/hub"
	"qgo/model/synth"
)

// boardFlags are those of bench board.
type boardFlags struct {
	model, dir string
	pull       bool
	minutes    float64
	device     deviceFlags
}

// boardRun is one measurement of a board: on its CPU, or with its GPU.
type boardRun struct {
	on     string // cpu or gpu
	device deviceFlags
	out    outputs
}

func newBenchBoard() *cobra.Command {
	var b boardFlags
	cmd := &cobra.Command{
		Use:   "board",
		Short: "Measure a board with one command: what fits, both phases, bounds, heat",
		Long: `board finds the model that suits this machine, measures its prefill and decode on
the CPU, and then on the GPU if there is one, beside what the machine allows, for
ten minutes each, so that a machine that gets too hot shows it, and writes the
results (board-cpu.json, board-gpu.json) and a page of them (board.html).

The model that 'qgo advise' recommends is taken from the cache. If it is not there,
one of the same shape with random weights is made, which is as fast; --pull
downloads it instead. Ctrl-C ends the measurement and keeps what was done.`,
		Example: "  qgo bench board\n  qgo bench board --minutes 2 --model qwen2.5-0.5b:q4_0 --dir results",
		Args:    exactly(0, "no arguments"),
		RunE:    func(cmd *cobra.Command, _ []string) error { return b.run(cmd) },
	}
	f := cmd.Flags()
	f.StringVarP(&b.model, "model", "m", "", "model: a GGUF file or a name (default: what suits the machine)")
	f.StringVar(&b.dir, "dir", ".", "directory for the results")
	f.BoolVar(&b.pull, "pull", false, "download the model if it is not in the cache")
	f.Float64Var(&b.minutes, "minutes", 10, "how long each device is kept busy, at least")
	b.device.add(f)
	return cmd
}

// boardTests are what a board is measured with.
var boardTests = []bench.Test{{Prompt: 512}, {Gen: 128}, {Gen: 128, Depth: 2048}}

// boardReps is how often each is repeated at least.
const boardReps = 5

func (b *boardFlags) run(cmd *cobra.Command) (err error) {
	if !(b.minutes >= 0 && b.minutes <= maxSeconds/60) {
		return usagef(cmd, "--minutes is %g: choose 0 to %d", b.minutes, maxSeconds/60)
	}
	runs, err := b.runs(cmd)
	if err != nil {
		return err
	}
	page := outputs{html: filepath.Join(b.dir, "board.html")}
	for _, o := range append([]*outputs{&page}, outputsOf(runs)...) {
		if err := o.open(); err != nil {
			return err
		}
		defer o.abandon()
	}
	path, remove, err := b.find(cmd)
	if err != nil {
		return err
	}
	defer remove()
	var reports []*bench.Report
	for i := range runs {
		r, failed := b.measure(cmd, &runs[i], path)
		if len(r.Results) > 0 {
			reports = append(reports, r)
		}
		if err = errors.Join(err, failed); cmd.Context().Err() != nil {
			break
		}
	}
	if len(reports) == 0 {
		return err
	}
	suffix := ""
	if err != nil {
		suffix = partial
	}
	return errors.Join(err, page.finish(page.html, suffix, func(w *bytes.Buffer) error { return html.Write(w, reports) }))
}

// runs are the measurements that this machine allows.
func (b *boardFlags) runs(cmd *cobra.Command) (all []boardRun, err error) {
	out := func(on string) outputs { return outputs{path: filepath.Join(b.dir, "board-"+on+".json")} }
	all = append(all, boardRun{"cpu", deviceFlags{"cpu", "auto"}, out("cpu")})
	kind, index, must, err := b.device.choice()
	if err != nil {
		return nil, usagef(cmd, "%w", err)
	}
	if index < 0 {
		return all, nil
	}
	if _, none := kind.List(); none == nil || must {
		all = append(all, boardRun{"gpu", b.device, out("gpu")})
	}
	return all, nil
}

func outputsOf(runs []boardRun) (all []*outputs) {
	for i := range runs {
		all = append(all, &runs[i].out)
	}
	return all
}

// measure measures one device and writes its results.
func (b *boardFlags) measure(cmd *cobra.Command, run *boardRun, path string) (*bench.Report, error) {
	p := bench.Plan{
		Models: []string{path}, Threads: []int{0}, Batches: []int{0}, Tests: boardTests, Reps: boardReps, Load: true,
		AtLeast: time.Duration(b.minutes * float64(time.Minute) / float64(len(boardTests))),
	}
	if err := run.device.apply(cmd, &p.Options); err != nil {
		return &bench.Report{}, err
	}
	if run.on == "gpu" && p.Options.Device == nil {
		return &bench.Report{}, nil // which apply has said
	}
	fmt.Fprintf(cmd.OutOrStdout(), "\nOn the %s:\n\n", map[string]string{"cpu": "CPU", "gpu": "GPU"}[run.on])
	progress := newBenchProgress(cmd)
	p.Progress = progress.set
	progress.begin()
	r, err := p.Run(cmd.Context())
	progress.end()
	printWarnings(cmd, r)
	if len(r.Results) == 0 {
		return r, err
	}
	for _, fault := range r.Verify() {
		fmt.Fprintln(cmd.ErrOrStderr(), wrap("Warning: "+fault+".", 80, "  "))
	}
	return r, errors.Join(err, run.out.write(cmd, r, err == nil))
}

// find returns the file of the model to measure, and what removes it if it was
// made for that.
func (b *boardFlags) find(cmd *cobra.Command) (path string, remove func(), err error) {
	keep := func() {}
	name := b.model
	if name == "" {
		if name, err = recommended(cmd.Context()); err != nil {
			return "", keep, err
		}
	}
	path, err = findModel(name)
	ref, notRef := hub.ParseRef(name)
	switch {
	case err == nil, notRef != nil:
	case b.pull:
		var cache hub.Cache
		if cache, err = hub.DefaultCache(); err == nil {
			path, _, err = pull(cmd, cache, ref)
		}
	default:
		return b.make(cmd, name)
	}
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "Model: %s\n", show.Text(path))
	}
	return path, keep, err
}

// make makes a model with random weights in the shape of a published one.
func (b *boardFlags) make(cmd *cobra.Command, name string) (path string, remove func(), err error) {
	spec, _, err := roofline.SpecByName(name)
	if err != nil {
		return "", nil, fmt.Errorf("%s is not in the cache, and its shape is not known: --pull downloads it", show.Quoted(name))
	}
	dir, err := os.MkdirTemp(b.dir, ".board-*")
	if err != nil {
		return "", nil, notWritten(b.dir, err)
	}
	remove = func() { _ = os.RemoveAll(dir) }
	path = filepath.Join(dir, spec.Name()+".gguf")
	fmt.Fprintf(cmd.OutOrStdout(), "Model: %s is not in the cache; random weights of its shape are as fast.\n", name)
	bar := newProgress(cmd, "making "+spec.Name())
	err = synth.Write(cmd.Context(), path, spec, bar.set)
	bar.end()
	if err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

// usefulDecode is the least rate of decode that people read along with.
const usefulDecode = 10

// recommended is the name of the model that suits this machine.
func recommended(ctx context.Context) (string, error) {
	c, err := bench.MeasureCeilings(ctx, kernels.Cores(), true, measureTime)
	if err != nil {
		return "", err
	}
	m := bench.ThisMachine(c)
	list, err := roofline.Advise(&m, model.DefaultContext, model.Options{})
	if err != nil {
		return "", err
	}
	for _, rate := range []float64{usefulDecode, 0} {
		if best, ok := roofline.Recommend(list, rate); ok {
			return best.Name(), nil
		}
	}
	return "", errors.New("no model fits: --model takes one all the same")
}
