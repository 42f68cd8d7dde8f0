package tokenizer

import (
	"errors"

	"qgo/gguf"
)

// Metadata keys of a vocabulary.
const (
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
		return nil, f.KeyErrorf(keyModel, "expected \"gpt2\" (byte-level BPE), found %q", model)
	}
	if f.Has(keyPre) {
		pre, err := gguf.Get[string](f, keyPre)
		if err != nil {
			return nil, err
		}
		if pre != "qwen2" {
			return nil, f.KeyErrorf(keyPre, "expected the split \"qwen2\", found %q", pre)
		}
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
	for key, id := range map[string]*int32{keyBOS: &v.BOS, keyEOS: &v.EOS, keyEOT: &v.EOT, keyPad: &v.Pad} {
		if !f.Has(key) {
			continue
		}
		n, err := gguf.Get[int](f, key)
		if err != nil {
			return nil, err
		}
		if n < 0 || n >= len(v.Tokens) {
			return nil, f.KeyErrorf(key, "expected an id from 0 to %d, found %d", len(v.Tokens)-1, n)
		}
		*id = int32(n)
	}
	t, err := New(v)
	var fault *vocabError
	if errors.As(err, &fault) {
		return nil, f.KeyErrorf(partKeys[fault.part], "%s", fault.msg)
	}
	return t, err
}
