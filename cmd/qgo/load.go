package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/model"
	"qgo/model/demo"
	"qgo/model/hub"
)

// modelFlags are the flags of every command that loads a model.
type modelFlags struct {
	path    string
	device  deviceFlags
	options model.Options
}

func (m *modelFlags) add(f *pflag.FlagSet) {
	m.addPath(f)
	f.IntVarP(&m.options.Threads, "threads", "t", 0, "worker threads (0: one per physical core)")
	f.BoolVar(&m.options.Unpinned, "no-pin", false, "let the system move threads between cores")
	f.IntVar(&m.options.Context, "ctx", 0, "longest text in tokens (0: the model's own, at most 4096)")
	kvFlag(f, &m.options.KV)
	f.BoolVar(&m.options.NoRepack, "no-repack", false, "compute on the weights as they are in the file: less memory, slower")
	f.StringVar(&m.options.Tier, "tier", "", "kernels to use (see 'qgo devices'; default: the fastest)")
	f.BoolVar(&m.options.Fast, "fast", false, fastUsage)
	m.device.add(f)
}

// kvFlag adds the flag for the type of keys and values.
func kvFlag(f *pflag.FlagSet, kv *string) {
	names := model.KVTypes()
	f.StringVar(kv, "kv", "", fmt.Sprintf("type of the KV cache: %s (default %s)", english.WordSeries(names, "or"), names[0]))
}

// setContext gives --ctx another default and meaning.
func (m *modelFlags) setContext(f *pflag.FlagSet, context int, usage string) {
	ctx := f.Lookup("ctx")
	m.options.Context = context
	ctx.DefValue, ctx.Usage = strconv.Itoa(context), usage
}

func (m *modelFlags) addPath(f *pflag.FlagSet) {
	f.StringVarP(&m.path, "model", "m", "", "model: a GGUF file, or a name such as qwen2.5-0.5b:q4_0 (see 'qgo list')")
}

// fastUsage is what --fast does.
const fastUsage = "with f16, bf16 and f32 weights, multiply prompts in bfloat16, where the CPU has AVX-512 BF16 or AMX"

func (m *modelFlags) addExact(f *pflag.FlagSet) {
	f.BoolVar(&m.options.Exact, "exact", false, "compute with float32 weights, activations and KV cache (slow)")
}

// file opens the model file, or the demonstration model if none is named.
func (m *modelFlags) file(cmd *cobra.Command) (*gguf.File, error) {
	if m.path == "" {
		fmt.Fprint(cmd.ErrOrStderr(), wrapped(cmd.ErrOrStderr(), "No --model given: this is the built-in demonstration model "+demo.Name+
			", which knows the Go standard library and nothing else. 'qgo pull qwen2.5-0.5b:q4_0' gets a real one.\n\n"))
		return demo.Open()
	}
	path, err := findModel(m.path)
	if err != nil {
		return nil, err
	}
	return model.OpenFile(path)
}

// findModel returns the file of a model: a path as it is, a name such as
// qwen2.5-0.5b:q4_0 or a file's name from the cache.
func findModel(name string) (string, error) {
	_, notRef := hub.ParseRef(name)
	if _, err := os.Stat(name); err == nil || notRef != nil && strings.ContainsAny(name, `/\\`) {
		return name, nil
	}
	cache, err := hub.DefaultCache()
	if err != nil {
		return "", err
	}
	return cache.Find(name)
}

// load loads the model, and says how far it is. When the context ends it does not
// wait for what cannot be interrupted: the driver of a GPU takes its time.
func (m *modelFlags) load(cmd *cobra.Command) (loaded *model.Model, _ error) {
	err := unlessEnded(cmd.Context(), func() (err error) {
		loaded, err = m.loadWhole(cmd)
		return err
	})
	if err != nil {
		return nil, err
	}
	m.notes(cmd, loaded)
	return loaded, nil
}

// loadWhole is load to its end.
func (m *modelFlags) loadWhole(cmd *cobra.Command) (*model.Model, error) {
	if err := m.device.apply(cmd, &m.options); err != nil {
		return nil, err
	}
	f, err := m.file(cmd)
	if err != nil {
		return nil, err
	}
	return m.loadFile(cmd, f)
}

// loadFile loads the model in a file, which it closes if that fails, with a line of
// progress.
func (m *modelFlags) loadFile(cmd *cobra.Command, f *gguf.File) (*model.Model, error) {
	bar := newProgress(cmd, "loading "+show.Text(filepath.Base(f.Name)))
	bar.delay = progressDelay
	m.options.Progress = bar.set
	loaded, err := model.Load(cmd.Context(), f, m.options)
	bar.end()
	var option *model.OptionError
	switch {
	case errors.As(err, &option):
		return nil, usagef(cmd, "%w", errors.Join(err, f.Close()))
	case err != nil:
		return nil, errors.Join(err, f.Close())
	}
	return loaded, nil
}

// notes says what the user may want to know about a loaded model.
func (m *modelFlags) notes(cmd *cobra.Command, loaded *model.Model) {
	out := cmd.ErrOrStderr()
	if text := loaded.ContextWarning(m.options.Context); text != "" {
		fmt.Fprint(out, wrapped(out, "qgo: "+text+"\n"))
	}
	if m.options.Fast && !loaded.Fast() {
		fmt.Fprint(out, wrapped(out, "--fast makes no difference here: it is for weights in f16, bf16 or f32, laid out for the kernels, on a CPU with AVX-512 BF16 or AMX.\n"))
	}
	if m.options.Device != nil {
		fmt.Fprintln(out, "Placement:", loaded.Placement())
	}
	if !loaded.OnGPU() && !loaded.Repacked() && !m.options.NoRepack && !m.options.Exact && loaded.Tier() != "go" {
		fmt.Fprintln(out, "There is too little free memory to lay out the weights for this machine's fast kernels:\n"+
			"computing on the file as it is, slowly. A smaller model or --ctx may fit.")
	}
}

func bytesText[T int | int64 | float64](n T) string {
	return humanize.Bytes(uint64(math.Round(float64(n))))
}

// isTerminal reports whether a command's stream is one.
func isTerminal(stream any) bool {
	f, ok := stream.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}
