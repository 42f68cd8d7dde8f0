package tokenizer

import (
	"errors"
	"fmt"
	"slices"

	"qgo/gguf"
	"qgo/gguf/show"
)

// Metadata keys of a vocabulary.
const (
	keyArch   = "general.architecture"
	keyModel  = "tokenizer.ggml.model"
	keyPre    = "tokenizer.ggml.pre"
	keyTokens = "tokenizer.ggml.tokens"
	keyTypes  = "tokenizer.ggml.token_type"
	keyMerges = "tokenizer.ggml.merges"
	keyBOS    = "tokenizer.ggml.bos_token_id"
	keyEOS    = "tokenizer.ggml.eos_token_id"
	keyEOT    = "tokenizer.ggml.eot_token_id"
	keyPad    = "tokenizer.ggml.padding_token_id"
	keyAddBOS = "tokenizer.ggml.add_bos_token"
)

var partKeys = map[vocabPart]string{
	partTokens: keyTokens, partTypes: keyTypes, partMerges: keyMerges,
	partBOS: keyBOS, partEOS: keyEOS, partEOT: keyEOT, partPad: keyPad,
}

// FromGGUF makes the Tokenizer that a model file describes. What is wrong
// with the description is a [gguf.FormatError].
func FromGGUF(f *gguf.File) (*Tokenizer, error) {
	model, err := gguf.Get[string](f, keyModel)
	if err != nil {
		return nil, err
	}
	if model != "gpt2" {
		return nil, f.KeyErrorf(keyModel, "expected \"gpt2\" (byte-level BPE), found %s", show.Quoted(model))
	}
	notes, err := checkSplit(f)
	if err != nil {
		return nil, err
	}
	v := Vocab{BOS: None, EOS: None, EOT: None, Pad: None}
	if v.Tokens, err = gguf.Get[[]string](f, keyTokens); err != nil {
		return nil, err
	}
	if v.Merges, err = gguf.Get[[]string](f, keyMerges); err != nil {
		return nil, err
	}
	if f.Has(keyTypes) {
		types, err := gguf.Get[[]int](f, keyTypes)
		if err != nil {
			return nil, err
		}
		v.Types = make([]TokenType, len(types))
		for i, t := range types {
			v.Types[i] = TokenType(t)
		}
	}
	if f.Has(keyAddBOS) {
		if v.AddBOS, err = gguf.Get[bool](f, keyAddBOS); err != nil {
			return nil, err
		}
	}
	for _, r := range []struct {
		key string
		id  *int32
	}{{keyBOS, &v.BOS}, {keyEOS, &v.EOS}, {keyEOT, &v.EOT}, {keyPad, &v.Pad}} {
		if !f.Has(r.key) {
			continue
		}
		n, err := gguf.Get[int](f, r.key)
		if err != nil {
			return nil, err
		}
		// Converters write -1 where a model has no such token.
		if n < 0 || n >= len(v.Tokens) {
			notes = append(notes, fmt.Sprintf("key %s is %d, which is no token: there is none", r.key, n))
			continue
		}
		*r.id = int32(n)
	}
	if v.AddBOS && v.BOS == None {
		notes = append(notes, fmt.Sprintf("key %s asks for a token before every text, but there is none: none is added", keyAddBOS))
	}
	t, err := New(v)
	if fault, ok := errors.AsType[*vocabError](err); ok {
		return nil, f.KeyErrorf(partKeys[fault.part], "%s", fault.msg)
	}
	if err != nil {
		return nil, err
	}
	t.notes = append(notes, t.notes...)
	return t, nil
}

// splits are the names under which llama.cpp (src/llama-vocab.cpp) has the
// expression that Qwen2 splits text with.
var splits = []string{"qwen2", "deepseek-r1-qwen", "megrez", "kormo", "f2llmv2", "stablelm2", "hunyuan", "solar-open"}

// checkSplit fails if the vocabulary is for another split than Qwen2's. Files
// that name none, "" or "default", were written by converters that did not know
// the vocabulary; that of a Qwen2 model was made with Qwen2's split.
func checkSplit(f *gguf.File) (notes []string, err error) {
	const unknown = "default"
	pre := unknown
	if f.Has(keyPre) {
		if pre, err = gguf.Get[string](f, keyPre); err != nil {
			return nil, err
		}
	}
	switch {
	case slices.Contains(splits, pre):
		return nil, nil
	case pre != unknown && pre != "":
		return nil, f.KeyErrorf(keyPre, "expected Qwen2's way of splitting text, \"qwen2\", found %s", show.Quoted(pre))
	}
	if f.Has(keyArch) {
		arch, err := gguf.Get[string](f, keyArch)
		if err != nil {
			return nil, err
		}
		if arch != "qwen2" {
			return nil, f.KeyErrorf(keyPre, "expected Qwen2's way of splitting text, \"qwen2\", found none for a model of the architecture %s", show.Quoted(arch))
		}
	}
	return []string{fmt.Sprintf("key %s does not say how text is split: as Qwen2 does", keyPre)}, nil
}
