package hub

import (
	"strings"
	"testing"
)

func TestRefs(t *testing.T) {
	const repo = "hf.co/Qwen/Qwen2.5-7B-Instruct-GGUF"
	for text, want := range map[string]string{
		"qwen2.5-0.5b":         "qwen2.5-0.5b:q4_k_m",
		"Qwen3-0.6B":           "qwen3-0.6b:q8_0",
		"qwen3-4b":             "qwen3-4b:q4_k_m",
		"Qwen2.5-Coder-7B:f16": "qwen2.5-coder-7b:fp16",
		repo + ":Q4_K_M":       repo + ":Q4_K_M",
		"https://huggingface.co/Qwen/Qwen2.5-7B-Instruct-GGUF":      repo,
		"HuggingFace.co/Qwen/Qwen2.5-7B-Instruct-GGUF:q8_0":         repo + ":q8_0",
		"https://hf.co/Qwen/Qwen2.5-7B-Instruct-GGUF/tree/main":     repo,
		"https://hf.co/u/r/tree/v2":                                 "hf.co/u/r/tree/v2",
		"hf.co/u/r/tree/v2":                                         "hf.co/u/r/tree/v2",
		"https://huggingface.co/u/r/blob/main/x.gguf?download=true": "https://huggingface.co/u/r/blob/main/x.gguf",
		"hf.co/u/r/resolve/main/a/x-00001-of-00002.gguf":            "https://hf.co/u/r/resolve/main/a/x-00001-of-00002.gguf",
		"http://host:8080/a/b.GGUF?key=1#there":                     "http://host:8080/a/b.GGUF",
		" https://host/a.gguf\n":                                    "https://host/a.gguf",
		"https://me:geheim@host/a%20b.gguf?sig=SECRET":              "https://host/a%20b.gguf",
		"https://me:geheim@hf.co/u/r/blob/main/x.gguf?sig=SECRET":   "https://hf.co/u/r/blob/main/x.gguf",
		"https://me:geheim@hf.co/u/r:q8_0":                          "hf.co/u/r:q8_0",
	} {
		if r, err := ParseRef(text); err != nil || r.String() != want {
			t.Errorf("%q is %s, %v; want %s", text, r, err, want)
		}
	}
	for text, want := range map[string]string{
		"qwen2.5-05b:q4_0":                     "did you mean qwen2.5-0.5b:q4_0?",
		"qwen2.5-coder-8b:q4_0":                "did you mean qwen2.5-coder-3b:q4_0?",
		"qwen-2.5-7b:q4_k_m":                   "did you mean qwen2.5-7b:q4_k_m?",
		"qwen2.5-7b:q4_k":                      "did you mean qwen2.5-7b:q4_k_m?",
		"qwen2.5:7b":                           "did you mean qwen2.5-7b?",
		"llama":                                `no model "llama". A name is`,
		"a\x1b[2J" + strings.Repeat("x", 999):  `no model "a\x1b[2Jxxx`,
		"hf.co/Qwen":                           "expected hf.co/USER/REPO:TYPE",
		"hf.co/../..:q4_0":                     "expected hf.co/USER/REPO:TYPE",
		"hf.co/u/r:a/b":                        "expected hf.co/USER/REPO:TYPE",
		"hf.co/u/r/discussions":                "expected hf.co/USER/REPO:TYPE",
		"hf.co/u/r/tree/main/folder":           "expected hf.co/USER/REPO:TYPE",
		"hf.co/u/r/blob/main/README.md":        "not the address of a .gguf file",
		"https://host/a.bin":                   "not the address of a .gguf file",
		"https:///a.gguf":                      "expected https://HOST/PATH.gguf",
		"http://a b/%zz.gguf":                  "expected https://HOST/PATH.gguf",
		"ftp://host/a.gguf":                    "there is no model",
		"http://127.0.0.1:99999/m.gguf":        `"http://127.0.0.1:99999/m.gguf" has the port 99999; ports are 1 to 65535`,
		"http://host:0/m.gguf":                 "has the port 0;",
		"http://:80/m.gguf":                    "names no server",
		"hf.co/t/ok:q4_0:x":                    "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok:":                          "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok/resolve/../m.gguf":         "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok/resolve/%2e%2e/m.gguf":     "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok/resolve/main/../../m.gguf": "expected hf.co/USER/REPO:TYPE",
		"hf.co/t/ok/blob/./m.gguf":             "expected hf.co/USER/REPO:TYPE",
	} {
		if r, err := ParseRef(text); err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 600 || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%q is %s, %v; want %q", text, r, err, want)
		}
	}
}

// TestChoose picks files from listings as repositories have them.
func TestChoose(t *testing.T) {
	listings := map[string][]string{
		// Qwen/Qwen2.5-Coder-7B-Instruct-GGUF has some models both ways.
		"both":  {"m-q4_k_m-00001-of-00002.gguf", "m-q4_k_m-00002-of-00002.gguf", "m-q4_k_m.gguf", "m-q8_0-00002-of-00002.gguf", "m-q8_0-00001-of-00002.gguf", "README.md"},
		"torn":  {"m-q4_0-00001-of-00003.gguf", "m-q4_0-00003-of-00003.gguf"},
		"dirs":  {"Q4_K_M/m-Q4_K_M-00001-of-00001.gguf", "Q8_0/m-Q8_0.gguf", "mmproj-Q8_0.gguf"},
		"dots":  {"m.Q6_K.gguf", "m.Q8_0.gguf"},
		"plain": {"model.gguf"},
		"twice": {"a-q4_0.gguf", "b-q4_0.gguf"},
		"none":  {"model.safetensors"},
	}
	for _, c := range []struct{ listing, quant, want string }{
		{"both", "", "m-q4_k_m.gguf"},
		{"both", ":Q4_K_M", "m-q4_k_m.gguf"},
		{"both", ":q8_0", "m-q8_0-00001-of-00002.gguf m-q8_0-00002-of-00002.gguf"},
		{"both", ":4_k_m", "no GGUF file of type 4_k_m; there is q4_k_m, q8_0"},
		{"torn", "", "has 2 of 3 parts of m-q4_0.gguf"},
		{"dirs", ":q4_k_m", "Q4_K_M/m-Q4_K_M-00001-of-00001.gguf"},
		{"dirs", ":q8_0", "Q8_0/m-Q8_0.gguf"},
		{"dots", ":q6_k", "m.Q6_K.gguf"},
		{"dots", "", "may be one of Q6_K, Q8_0: say which, as in hf.co/u/r:Q6_K"},
		{"plain", "", "model.gguf"},
		{"plain", ":model.gguf", "model.gguf"},
		{"twice", ":q4_0", "may be one of"},
		{"twice", ":b-q4_0.gguf", "b-q4_0.gguf"},
		{"none", "", "the hub has no GGUF file"},
	} {
		r, err := ParseRef("hf.co/u/r" + c.quant)
		if err != nil {
			t.Fatal(err)
		}
		var tree []entry
		for _, p := range listings[c.listing] {
			tree = append(tree, entry{Type: "file", Path: p})
		}
		list, err := choose(r, tree)
		var got []string
		for _, e := range list {
			got = append(got, e.Path)
		}
		if err != nil && !strings.Contains(err.Error(), c.want) || err == nil && strings.Join(got, " ") != c.want {
			t.Errorf("%s%s: %v, %v; want %q", c.listing, c.quant, got, err, c.want)
		}
	}
}
