package tokenizer

import (
	"errors"
	"fmt"

	"qgo/gguf"
	"qgo/gguf/show"
	"qgo/model/arch"
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
	split, notes, err := splitOf(f)
	if err != nil {
		return nil, err
	}
	v := Vocab{Split: split, BOS: None, EOS: None, EOT: None, Pad: None}
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

// splitOf returns the name of the pre-tokeniser of a file, for which there is one.
// Files that name none, "" or "default", were written by converters that did not
// know the vocabulary: it is that of the model's family.
func splitOf(f *gguf.File) (name string, notes []string, err error) {
	const unknown = "default"
	name = unknown
	if f.Has(keyPre) {
		if name, err = gguf.Get[string](f, keyPre); err != nil {
			return "", nil, err
		}
	}
	if name != "" && name != unknown {
		if _, ok := preTokenizerOf(name); !ok {
			return "", nil, f.KeyErrorf(keyPre, "%s, found %s", expectedSplit(), show.Quoted(name))
		}
		return name, nil, nil
	}
	family := &arch.Qwen2
	if f.Has(keyArch) {
		name, err := gguf.Get[string](f, keyArch)
		if err != nil {
			return "", nil, err
		}
		var ok bool
		if family, ok = arch.Find(name); !ok {
			return "", nil, f.KeyErrorf(keyPre, "%s, found none for a model of the architecture %s", expectedSplit(), show.Quoted(name))
		}
	}
	return family.Split, []string{fmt.Sprintf("key %s does not say how text is split: as for %s", keyPre, family.Title)}, nil
}
