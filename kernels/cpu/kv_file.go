package cpu

import (
	"fmt"
	"io"

	"qgo/kernels/generic"
)

// Save writes the keys and values of the first n positions; see [plan.KV].
func (kv *KV) Save(w io.Writer, n int) error {
	return kv.eachRun(n, func(run kvRun) error {
		run.get()
		_, err := w.Write(run.rows)
		return err
	})
}

// Load reads what Save of any device wrote; see [plan.KV].
func (kv *KV) Load(r io.Reader, n int) error {
	kv.owner.pool.Drain()
	return kv.eachRun(n, func(run kvRun) error {
		if _, err := io.ReadFull(r, run.rows); err != nil {
			return err
		}
		run.put()
		return nil
	})
}

// kvRun is a run of positions of the keys or values of a head, on its way
// between the cache and a file.
type kvRun struct {
	kv   *KV
	keys []byte // blocks of the whole head; nil for values
	pos  int    // the first position
	rows []byte // as in a file; values are there already
}

// get copies keys to rows.
func (r kvRun) get() {
	for i := 0; r.keys != nil && i < len(r.rows); i += r.kv.row {
		generic.GetKey(r.kv.typ, r.rows[i:i+r.kv.row], r.keys, r.pos+i/r.kv.row)
	}
}

// put copies rows to keys.
func (r kvRun) put() {
	for i := 0; r.keys != nil && i < len(r.rows); i += r.kv.row {
		generic.PutKey(r.kv.typ, r.keys, r.pos+i/r.kv.row, r.rows[i:i+r.kv.row])
	}
}

// eachRun calls f with the runs of n positions of all heads, in the order of a
// file: of keys a block at a time, of values all.
func (kv *KV) eachRun(n int, f func(kvRun) error) error {
	if n < 0 || n > kv.ctx {
		return fmt.Errorf("cpu: %d positions do not fit a KV cache of %d", n, kv.ctx)
	}
	rows := make([]byte, generic.KeyBlock*kv.row)
	for layer := range kv.layers {
		for h := range kv.owner.KVHeads {
			keys := kv.head(layer, 0, h)
			for pos := 0; pos < n; pos += generic.KeyBlock {
				if err := f(kvRun{kv, keys, pos, rows[:min(generic.KeyBlock, n-pos)*kv.row]}); err != nil {
					return err
				}
			}
		}
		for h := range kv.owner.KVHeads {
			if err := f(kvRun{kv, nil, 0, kv.head(layer, 1, h)[:n*kv.row]}); err != nil {
				return err
			}
		}
	}
	return nil
}
