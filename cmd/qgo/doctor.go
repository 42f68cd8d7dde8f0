package main

import (
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"qgo/bench/machine"
	"qgo/kernels"
	"qgo/model/synth"
)

func newDoctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Look at what makes this machine fast or slow, and say what to do",
		Example: `  qgo doctor
  qgo doctor -o json`,
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			neighbours := machine.WatchNeighbours()
			time.Sleep(listen)
			list := examine(os.DirFS("/"), gpusHere(), neighbours.Busy())
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

// examine looks at the machine whose file system is root, and on which other
// programs keep that many CPUs busy.
func examine(root fs.FS, gpus gpuState, busy float64) []finding {
	list := []finding{kernelsFinding(), coresFinding(), neighboursFinding(busy, runtime.NumCPU()), gpuFinding(root, gpus)}
	for _, f := range []func(fs.FS) (finding, bool){governorFinding, hugePagesFinding, swapFinding, memoryFinding} {
		if found, ok := f(root); ok {
			list = append(list, found)
		}
	}
	return list
}

func kernelsFinding() finding {
	tiers := kernels.Tiers()
	f := finding{Topic: "kernels", Found: fmt.Sprintf("%s, on %s", tiers[0].Name, cpuName())}
	if len(tiers) == 1 {
		f.Advice = "only plain Go: there are no kernels for this CPU's vector instructions, or the build has the tag noasm"
	}
	return f
}

func coresFinding() finding {
	return finding{Topic: "cores", Found: fmt.Sprintf("%d threads by default, one per physical core that this process may use", kernels.Cores())}
}

func neighboursFinding(busy float64, cpus int) finding {
	f := finding{Topic: "neighbours", Found: machine.BusyText(busy, cpus)}
	if f.Found == "" {
		f.Found = "no other program keeps a CPU busy"
	} else {
		f.Advice = "qgo shares these CPUs' time with them, and other CPUs do what that would hold up; for full speed end the programs that top (or the Task Manager) shows first"
	}
	return f
}

// read returns a small file's text without the space around it.
func read(root fs.FS, name string) (string, bool) {
	b, err := fs.ReadFile(root, name)
	return strings.TrimSpace(string(b)), err == nil
}

func governorFinding(root fs.FS) (finding, bool) {
	governor, ok := read(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	f := finding{Topic: "governor", Found: governor}
	if governor == "powersave" || governor == "conservative" || governor == "ondemand" || governor == "userspace" {
		f.Advice = "clock speeds rise late or not at all; for measurements: sudo cpupower frequency-set -g performance"
	}
	return f, ok
}

func hugePagesFinding(root fs.FS) (finding, bool) {
	text, ok := read(root, "sys/kernel/mm/transparent_hugepage/enabled")
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

func swapFinding(root fs.FS) (finding, bool) {
	total, ok := meminfo(root, "SwapTotal")
	free, _ := meminfo(root, "SwapFree")
	f := finding{Topic: "swap", Found: fmt.Sprintf("%s, of which %s are in use", bytesText(total), bytesText(total-free))}
	if total == 0 {
		f.Found = "none"
	}
	if total > 0 && total-free > total/4 {
		f.Advice = "the machine is short of memory: weights that are swapped out make every token wait for the disk; end other programs, or choose a smaller model"
	}
	return f, ok
}

// memoryFinding says which of the published models fit.
func memoryFinding(root fs.FS) (finding, bool) {
	available, ok := meminfo(root, "MemAvailable")
	if !ok {
		return finding{}, false
	}
	const besides = 350 << 20 // KV cache, buffers, vocabulary and the program
	var fit []string
	for _, shape := range synth.Shapes {
		spec, err := synth.ParseSpec(shape.Name, "q4_k_m")
		if err != nil {
			continue
		}
		spec.Untied = true
		if size, err := spec.Size(); err == nil && size+besides <= available {
			fit = append(fit, fmt.Sprintf("qwen2.5-%s:q4_k_m", shape.Name))
		}
	}
	f := finding{Topic: "memory", Found: fmt.Sprintf("%s available; there is room for %s", bytesText(available), strings.Join(fit, ", "))}
	if len(fit) == 0 {
		f.Found = fmt.Sprintf("%s available", bytesText(available))
		f.Advice = "that is too little for the smallest model with a context of 4096: end other programs, and try --ctx 512 and --no-repack"
	}
	return f, true
}
