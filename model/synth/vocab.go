package synth

import (
	"fmt"
	"sync"

	"qgo/model/tokenizer"
)

// Sizes of Qwen2.5's vocabulary: tokens that merges make, and all.
const (
	qwenMerged = 151643
	qwenVocab  = 151936
)

// specials are Qwen2.5's first control tokens.
var specials = []string{"<|endoftext|>", "<|im_start|>", "<|im_end|>"}

// vocabulary is a made-up one of Qwen2.5's size and kind: the bytes, merges of
// two bytes, merges of those with a third, control tokens, padding.
type vocabulary struct {
	tokens   []string
	types    []int32
	merges   []string
	end, pad uint32
}

// vocabularyOf returns the vocabulary of n tokens. It is made once, and not to
// be changed.
func vocabularyOf(n int) vocabulary {
	made, _ := vocabularies.LoadOrStore(n, sync.OnceValue(func() vocabulary { return newVocabulary(n) }))
	return made.(func() vocabulary)()
}

var vocabularies sync.Map // by the number of tokens

func newVocabulary(n int) vocabulary {
	merged := n - (qwenVocab - qwenMerged)
	v := vocabulary{tokens: make([]string, 0, n), types: make([]int32, n), merges: make([]string, 0, merged)}
	for b := range 256 {
		v.tokens = append(v.tokens, tokenizer.Spell(string([]byte{byte(b)})))
	}
	// Small letters first, so that text becomes tokens of two and three letters.
	order := make([]int, 256)
	for i := range order {
		order[i] = (i + 'a') % 256
	}
	merge := func(left, right string) bool {
		if len(v.tokens) == merged {
			return false
		}
		v.tokens = append(v.tokens, left+right)
		v.merges = append(v.merges, left+" "+right)
		return true
	}
	for i := 0; i < 256 && merge(v.tokens[order[i]], v.tokens[order[0]]); i++ {
		for _, b := range order[1:] {
			merge(v.tokens[order[i]], v.tokens[b])
		}
	}
	for i := 256; len(v.tokens) < merged; i++ {
		for _, b := range order {
			merge(v.tokens[i], v.tokens[b])
		}
	}
	for i := range v.types {
		v.types[i] = int32(tokenizer.Normal)
	}
	for i := range n - merged {
		id, text, typ := merged+i, fmt.Sprintf("[PAD%d]", merged+i), tokenizer.Unused
		if i < len(specials) {
			text, typ = specials[i], tokenizer.Control
		}
		v.tokens = append(v.tokens, text)
		v.types[id] = int32(typ)
	}
	v.pad, v.end = uint32(merged), uint32(merged+2)
	return v
}
