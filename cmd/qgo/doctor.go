package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/bench/roofline"
	"qgo/kernels"
	"qgo/kernels/devices"
	"qgo/kernels/tier"
	"qgo/model"
	"qgo/model/hub"
	"qgo/tensor"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look at what makes this machine fast or slow, and say what to do",
		Example: `  qgo doctor
  qgo doctor -o json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			h, err := hostHere(cmd.Context())
			if err != nil {
				return err
			}
			list := h.examine()
			if wantsJSON(cmd) {
				return printJSON(cmd, list)
			}
			out := cmd.OutOrStdout()
			for _, f := range list {
				mark := "ok  "
				if f.Advice != "" {
					mark = "LOOK"
				}
				fmt.Fprintln(out, wrapped(out, fmt.Sprintf("%s  %-11s %s", mark, f.Topic, f.Found)))
				if f.Advice != "" {
					fmt.Fprintln(out, wrapped(out, fmt.Sprintf("      %-11s %s", "", f.Advice)))
				}
			}
			return nil
		},
	}
}

// finding is one thing that doctor looked at.
type finding struct {
	Topic  string `json:"topic"`
	Found  string `json:"found"`
	Advice string `json:"advice,omitempty"` // empty if all is well
}

// listen is how long doctor watches what other programs do: many ticks of the
// clock that systems count their time by.
const listen = 500 * time.Millisecond

// host is what doctor knows of the machine, beside its file system.
type host struct {
	root         fs.FS
	cores        int // threads by default
	usable, cpus int // logical CPUs that may be busy at a time, and that the process may use
	busy, stolen float64
	available    tensor.Limit // of memory
	known        bool         // what is available
	reading      bandwidth
}

// hostHere looks at this machine: first at what others do, then at what its
// memory can.
func hostHere(ctx context.Context) (*host, error) {
	h := &host{root: os.DirFS("/"), cores: kernels.Cores(), usable: kernels.CPUs(), cpus: runtime.NumCPU()}
	neighbours := machine.WatchNeighbours()
	select {
	case <-time.After(listen):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	h.busy, h.stolen = neighbours.Busy(), neighbours.Stolen()
	h.available, h.known = tensor.Memory()
	h.reading = readingHere(h.cores)
	return h, ctx.Err()
}

// examine makes a list of what was found.
func (h *host) examine() []finding {
	list := []finding{kernelsFinding(), h.coresFinding(), h.neighboursFinding()}
	for _, k := range devices.Kinds {
		f := finding{Topic: "GPU"}
		f.Found, f.Advice = k.Diagnose(h.root)
		list = append(list, f)
	}
	list = append(list, clockFinding(h.root))
	for _, f := range []func() (finding, bool){h.governorFinding, h.hugePagesFinding, h.swapFinding, h.memoryFinding, h.bandwidthFinding} {
		if found, ok := f(); ok {
			list = append(list, found)
		}
	}
	return list
}

func kernelsFinding() finding {
	tiers := tier.Names()
	f := finding{Topic: "kernels", Found: fmt.Sprintf("%s, on %s", tiers[0], machine.CPUName())}
	if len(tiers) == 1 {
		f.Advice = "only plain Go: there are no kernels for this CPU's vector instructions, or the build has the tag noasm"
	}
	return f
}

func (h *host) coresFinding() finding {
	f := finding{Topic: "cores", Found: fmt.Sprintf("%s by default, one per physical core; %d of %d logical CPUs may be busy with this process", bench.Threads(h.cores), h.usable, h.cpus)}
	if h.usable < h.cpus {
		f.Advice = "a container's CPU limit or GOMAXPROCS allows no more of them: raise it for more speed"
	}
	return f
}

// noticed is the share of the CPUs' time from which on it is worth a word that
// a virtual machine did not get it.
const noticed = 0.05

func (h *host) neighboursFinding() finding {
	f := finding{Topic: "neighbours", Found: machine.BusyText(h.busy, h.cpus)}
	if f.Found == "" {
		f.Found = "no other program keeps a CPU busy"
	} else {
		f.Advice = "qgo shares these CPUs' time with them, and other CPUs do what that would hold up; for full speed end the programs that top (or the Task Manager) shows first"
	}
	if h.stolen > noticed {
		f.Found += "; " + machine.StolenText(h.stolen)
		f.Advice = strings.TrimPrefix(f.Advice+"; a virtual machine with CPUs of its own would get all of the time", "; ")
	}
	return f
}

// read returns a small file's text without the space around it.
func read(root fs.FS, name string) (string, bool) {
	b, err := fs.ReadFile(root, name)
	return strings.TrimSpace(string(b)), err == nil
}

func (h *host) hugePagesFinding() (finding, bool) {
	text, ok := read(h.root, "sys/kernel/mm/transparent_hugepage/enabled")
	_, rest, _ := strings.Cut(text, "[")
	mode, _, _ := strings.Cut(rest, "]")
	f := finding{Topic: "huge pages", Found: mode}
	if mode == "never" {
		f.Advice = "weights in small pages cost some percent of decode; echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled"
	}
	return f, ok
}

// meminfo returns the bytes that /proc/meminfo states under a key.
func meminfo(root fs.FS, key string) (int64, bool) {
	text, _ := read(root, "proc/meminfo")
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) >= 2 && fields[0] == key+":" {
			n, err := strconv.ParseInt(fields[1], 10, 64)
			return n * 1024, err == nil
		}
	}
	return 0, false
}

func (h *host) swapFinding() (finding, bool) {
	total, ok := meminfo(h.root, "SwapTotal")
	free, _ := meminfo(h.root, "SwapFree")
	f := finding{Topic: "swap", Found: fmt.Sprintf("%s, of which %s are in use", bytesText(total), bytesText(total-free))}
	if total == 0 {
		f.Found = "none"
	}
	if total > 0 && total-free > total/4 {
		f.Advice = "the machine is short of memory: weights that are swapped out make every token wait for the disk; end other programs, or choose a smaller model"
	}
	return f, ok
}

// publishedModel is a model of the hub and the memory that it takes with the
// context that is the default.
type publishedModel struct {
	name string
	need int64
}

// published lists the models of a common type from small to large.
var published = sync.OnceValue(func() (list []publishedModel) {
	for _, n := range hub.Names() {
		if n.Line != hub.Lines[0] || n.Quant != "q4_k_m" {
			continue
		}
		survey, err := roofline.OutlineByName(n.String(), model.Options{})
		if err != nil {
			continue
		}
		if fit, err := survey.Fit(model.DefaultContext, 0); err == nil {
			list = append(list, publishedModel{n.String(), fit.Need})
		}
	}
	return list
})

// memoryFinding says up to which of the published models they fit.
func (h *host) memoryFinding() (finding, bool) {
	available, source := h.available.Bytes, ""
	if h.available.Source != tensor.SourceFree {
		source = " (" + h.available.Source + ")"
	}
	if !h.known {
		return finding{}, false
	}
	largest := ""
	for _, m := range published() {
		if m.need <= available {
			largest = m.name
		}
	}
	f := finding{Topic: "memory", Found: fmt.Sprintf("%s available%s; there is room for %s and smaller models", bytesText(available), source, largest)}
	if largest == "" {
		f.Found = fmt.Sprintf("%s available%s", bytesText(available), source)
		f.Advice = "that is too little for the smallest model with a context of 4096: end other programs, and try --ctx 512 and --no-repack"
	}
	return f, true
}
