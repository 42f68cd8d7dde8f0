package bench

import (
	"fmt"
	"runtime/debug"

	"qgo/gguf"
	"qgo/model"
	"qgo/quant"
)

// BuildCommit is the revision that the program was built from, "unknown" if
// the build does not tell.
func BuildCommit() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				return s.Value[:min(len(s.Value), 9)]
			}
		}
	}
	return "unknown"
}

// params is the number of weights in a file.
func params(f *gguf.File) (n int64) {
	for i := range f.Tensors {
		n += int64(f.Tensors[i].Elements())
	}
	return n
}

// modelType names a model in the manner of llama-bench: architecture, number
// of weights, quantisation.
func modelType(m *model.Model) string {
	text := fmt.Sprintf("%s %.2gB", m.Arch.Name, float64(params(m.File))/1e9)
	if number, err := gguf.Get[int](m.File, "general.file_type"); err == nil {
		if mix, ok := quant.MixOf(uint32(number)); ok {
			text += " " + mix.Name
		}
	}
	return text
}
