package cuda

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/kernels/plan"
	"qgo/quant"
)

var kvTypes = []quant.Type{quant.F32, quant.F16, quant.Q8_0}

func newKV(t testing.TB, s plan.Stage, ctx int, typ quant.Type) plan.KV {
	t.Helper()
	kv, err := s.NewKV(ctx, typ)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kv.Close() })
	return kv
}

// load is [Device.Load] of a Stage.
func load(p plan.Plan, dev *Device, o plan.Options) (*Stage, error) {
	s, err := dev.Load(p, o)
	if err != nil {
		return nil, err
	}
	return s.(*Stage), nil
}

func newStage(t testing.TB, p plan.Plan, dev *Device, o plan.Options) *Stage {
	t.Helper()
	s, err := load(p, dev, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func saveKV(t testing.TB, kv plan.KV, n int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := kv.Save(&b, n); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestKVFile carries keys and values of any bytes from a GPU to the CPU and
// back, between caches of different length, with more positions than one slab
// holds.
func TestKVFile(t *testing.T) {
	dev := anyGPU(t, emulator.Options{})
	for _, headDim := range []int{64, 128} {
		p := shape(t, headDim, 2, quant.Q8_0)
		const long = 2*kvSlabBytes/(2*64) + 5
		s, c := newStage(t, p, dev, plan.Options{MaxRows: 8, MaxCtx: long + 20}), exact(t, p, 8, long+20)
		for _, typ := range kvTypes {
			for _, n := range []int{0, 1, 15, 16, 37, long} {
				file := make([]byte, 2*len(p.Blocks)*p.KVHeads*n*typ.RowBytes(headDim))
				rand.NewChaCha8([32]byte{byte(n)}).Read(file)
				caches := []plan.KV{newKV(t, s, n+1, typ), newKV(t, c, n+18, typ), newKV(t, s, n+20, typ), newKV(t, c, n+1, typ)}
				for i, kv := range caches {
					r := bytes.NewReader(file)
					if err := kv.Load(r, n); err != nil || r.Len() != 0 {
						t.Fatalf("heads of %d, %v, %d positions, cache %d: %d bytes left, error %v", headDim, typ, n, i, r.Len(), err)
					}
					if !bytes.Equal(saveKV(t, kv, n), file) {
						t.Errorf("heads of %d, %v, %d positions, cache %d: loaded and saved, the bytes differ", headDim, typ, n, i)
					}
					kv.Close()
				}
			}
		}
	}
}

// TestKVFileContinues computes on one device, and from its keys and values on
// the other.
func TestKVFileContinues(t *testing.T) {
	dev := anyGPU(t, emulator.Options{})
	p := shape(t, 64, 2, quant.Q8_0)
	stages := []plan.Stage{newStage(t, p, dev, plan.Options{MaxRows: 32, MaxCtx: 40, Exact: true}), exact(t, p, 32, 40)}
	tokens := rand.New(rand.NewPCG(1, 2)).Perm(p.Vocab)
	const n = 19
	run := func(s plan.Stage, kv plan.KV, pos, n int) []float32 {
		b := &plan.Batch{
			Spans: []plan.Span{{KV: kv, Pos: pos, N: n}}, Outputs: []int{n - 1},
			Hidden: make([]float32, n*p.Width), Logits: make([]float32, p.Vocab),
		}
		for _, id := range tokens[pos : pos+n] {
			b.Tokens = append(b.Tokens, int32(id))
		}
		if err := s.Run(context.Background(), b); err != nil {
			t.Fatal(err)
		}
		return b.Logits
	}
	for _, typ := range kvTypes {
		bar := map[quant.Type]float64{quant.F32: 5e-6, quant.F16: 2e-4, quant.Q8_0: 4e-3}[typ]
		for from, first := range stages {
			for to, second := range stages {
				t.Run(fmt.Sprintf("%v, %T to %T", typ, first, second), func(t *testing.T) {
					kv, loaded := newKV(t, first, 37, typ), newKV(t, second, 25, typ)
					run(first, kv, 0, n)
					if err := loaded.Load(bytes.NewReader(saveKV(t, kv, n)), n); err != nil {
						t.Fatal(err)
					}
					got, want := run(second, loaded, n, 3), run(first, kv, n, 3)
					if from == to {
						closeTo(t, got, want, 0)
					} else {
						closeTo(t, got, want, bar)
					}
				})
			}
		}
	}
}

// TestKVFileErrors makes calls that must fail.
func TestKVFileErrors(t *testing.T) {
	c := emulator.New(t, emulator.Options{})
	broken := &brokenCopies{Context: c}
	dev := device(t, func() (driver.Context, error) { return broken, nil })
	p := shape(t, 64, 2, quant.Q8_0)
	s := newStage(t, p, dev, plan.Options{MaxRows: 8, MaxCtx: 40})
	kv := newKV(t, s, 20, quant.Q8_0)
	file := make([]byte, 2*len(p.Blocks)*p.KVHeads*7*quant.Q8_0.RowBytes(64))
	for _, n := range []int{-1, 21} {
		if kv.Save(io.Discard, n) == nil || kv.Load(bytes.NewReader(file), n) == nil {
			t.Errorf("%d positions of 20 were saved or loaded", n)
		}
	}
	for _, size := range []int{0, 1, len(file) - 1} {
		if err := kv.Load(bytes.NewReader(file[:size]), 7); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes of %d: %v", size, len(file), err)
		}
	}
	if err := kv.Load(bytes.NewReader(file), 7); err != nil {
		t.Error(err)
	}
	broken.lost = &driver.Error{Call: "copy", Err: errors.New("LaunchFailed")}
	if err := kv.Save(io.Discard, 7); !dev.Failed(err) {
		t.Errorf("saving from a lost GPU: %v", err)
	}
	if err := kv.Load(bytes.NewReader(file), 7); !dev.Failed(err) {
		t.Errorf("loading to a lost GPU: %v", err)
	}
	kv.Close()
	if err := kv.Save(io.Discard, 7); err == nil {
		t.Error("a closed KV cache was saved")
	}
}

// brokenCopies is a GPU whose copies fail with lost, if it is set.
type brokenCopies struct {
	*emulator.Context
	lost error
}

func (c *brokenCopies) CopyIn(dst driver.Ptr, src []byte) error {
	if c.lost != nil {
		return c.lost
	}
	return c.Context.CopyIn(dst, src)
}

func (c *brokenCopies) CopyOut(dst []byte, src driver.Ptr) error {
	if c.lost != nil {
		return c.lost
	}
	return c.Context.CopyOut(dst, src)
}
