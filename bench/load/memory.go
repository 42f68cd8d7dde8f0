package load

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"qgo/model"
	"qgo/tensor"
)

// checkMemory reports whether there is memory for n texts of ctxLen tokens at
// once. A GPU says itself what it has no room for.
func checkMemory(m *model.Model, n, ctxLen int) error {
	row := m.Cost().KVRow
	if m.OnGPU() {
		row -= m.GPUCost().KVRow
	}
	// Logits are kept once for the batch and once for each sequence.
	each := row*int64(ctxLen) + 2*4*int64(m.Vocab)
	if limit, known := tensor.Memory(); known {
		return fits(n, ctxLen, each, limit)
	}
	return nil
}

// fits reports whether n texts of ctxLen tokens, each of which takes that many
// bytes, are within a limit.
func fits(n, ctxLen int, each int64, limit tensor.Limit) error {
	room := limit.Bytes / each
	if int64(n) <= room {
		return nil
	}
	advice := "choose shorter texts"
	if room > 0 {
		advice = fmt.Sprintf("choose at most %s, or shorter texts", count(int(room), "user"))
	}
	return fmt.Errorf("%s at once need %s of memory (KV caches of %d tokens, and logits), and %s are available (%s): %s",
		count(n, "user"), humanize.Bytes(uint64(int64(n)*each)), ctxLen, humanize.Bytes(uint64(limit.Bytes)), limit.Source, advice)
}
