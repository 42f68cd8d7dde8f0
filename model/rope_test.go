package model

import (
	"testing"

	"qgo/model/arch"
)

func TestContextWarning(t *testing.T) {
	plain := &Config{Arch: &arch.Qwen2, Context: 32768, RopeScaling: RopeScaling{Type: "none", Factor: 1, Original: 32768}}
	qwen3 := &Config{Arch: &arch.Qwen3, Context: 40960, RopeScaling: RopeScaling{Type: "none", Factor: 1, Original: 40960}}
	yarn := &Config{Arch: &arch.Qwen2, Context: 32768, RopeScaling: RopeScaling{Type: "yarn", Factor: 4, Original: 32768}}
	stated := &Config{Arch: &arch.Qwen2, Context: 131072, RopeScaling: RopeScaling{Type: "yarn", Factor: 4, Original: 32768}}
	for _, c := range []struct {
		config  *Config
		context int
		want    string
	}{
		{plain, 0, ""},
		{plain, 32768, ""},
		{plain, 40000, "a context of 40000 tokens is more than the 32768 that this model was trained for: what is beyond them is understood worse and worse. " +
			"Qwen2.5 reaches 131072 tokens with YaRN (factor 4 on 32768), but only from a file whose rope.scaling keys say so, and this one's do not."},
		{qwen3, 40960, ""},
		{qwen3, 40961, "a context of 40961 tokens is more than the 40960 that this model was trained for: what is beyond them is understood worse and worse. " +
			"Qwen3 from 4B on reaches 131072 tokens with YaRN (factor 4 on 32768), but only from a file whose rope.scaling keys say so, and this one's do not."},
		{yarn, 131072, ""},
		{yarn, 131073, "a context of 131073 tokens is more than the 131072 that this model reaches with its file's rope.scaling (yarn, factor 4): what is beyond them is understood worse and worse."},
		{stated, 131072, ""},
	} {
		if got := c.config.ContextWarning(c.context); got != c.want {
			t.Errorf("a context of %d: %q, want %q", c.context, got, c.want)
		}
	}
}
