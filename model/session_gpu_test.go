package model

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
)

// few is how tests continue a session.
var few = Generation{MaxTokens: 3, IgnoreEOG: true}

// TestSessionFileDevices continues sessions of each placement in each other one,
// and carries each file through all placements and back.
func TestSessionFileDevices(t *testing.T) {
	beside(t)
	dev := anyGPU(t)
	const n = 19 // no whole number of blocks of keys
	for _, kv := range []string{"f32", "f16", "q8_0"} {
		o := Options{Context: 48, KV: kv}
		cpu := tiny(t, o)
		o.Device, o.GPULayers = dev, 3
		part := tiny(t, o)
		o.GPULayers = AllLayers
		models := []*Model{cpu, part, tiny(t, o)}
		for _, m := range models[1:] {
			if !m.OnGPU() {
				t.Fatalf("%s: nothing is on the GPU", m.Placement())
			}
		}
		var sessions []*Session
		var files [][]byte
		var texts []string
		more := text(t, n+12) // so many rows that they are quick in the emulator
		for _, m := range models {
			s, file := saved(t, m, n)
			sessions, files = append(sessions, s), append(files, file)
			texts = append(texts, generate(t, s, more, few))
		}
		for from, file := range files {
			for _, to := range []int{0, 1, 2, 1, 0, 2, from} {
				loadFile(t, sessions[to], file)
				if !bytes.Equal(saveFile(t, sessions[to]), file) {
					t.Errorf("%s: the file of %s changed in %s", kv, models[from].Placement(), models[to].Placement())
				}
			}
			for to, s := range sessions {
				loadFile(t, s, file)
				if got := generate(t, s, more, few); got != texts[from] || s.Stats().Reused != n {
					t.Errorf("%s: %q with %d tokens reused in %s; %q in %s", kv, got, s.Stats().Reused, models[to].Placement(), texts[from], models[from].Placement())
				}
			}
		}
	}
}

// TestSessionFileTruncatedGPU looks for keys that were taken back in a file of a
// GPU.
func TestSessionFileTruncatedGPU(t *testing.T) {
	m := tiny(t, Options{Device: emulated(t, emulator.Options{}), GPULayers: 3, Context: 32})
	s, want := saved(t, m, 5)
	generate(t, s, text(t, 9), Generation{MaxTokens: 1})
	generate(t, s, text(t, 5), Generation{MaxTokens: 1}) // computes the last token again
	if !bytes.Equal(saveFile(t, s), want) {
		t.Error("the file shows what was taken back")
	}
}

// losing is a GPU that is lost after a number of copies.
type losing struct {
	driver.Context
	armed  bool
	copies int // that still succeed, if armed
}

func (c *losing) copied() error {
	if c.armed && c.copies == 0 {
		return &driver.Error{Call: "cuMemcpy", Err: errors.New("Unknown")}
	}
	c.copies--
	return nil
}

func (c *losing) CopyIn(dst driver.Ptr, src []byte) error {
	if err := c.copied(); err != nil {
		return err
	}
	return c.Context.CopyIn(dst, src)
}

func (c *losing) CopyOut(dst []byte, src driver.Ptr) error {
	if err := c.copied(); err != nil {
		return err
	}
	return c.Context.CopyOut(dst, src)
}

// lose makes the GPU fail after some more copies.
func (c *losing) lose(copies int) { c.armed, c.copies = true, copies }

// onLosing loads the model with its last 3 layers on a GPU that can be lost. The
// warnings it gives are appended to the text.
func onLosing(t testing.TB) (*Model, *losing, *strings.Builder) {
	t.Helper()
	if *realGPU >= 0 {
		t.Skip("this test needs an emulated GPU")
	}
	gpu, warnings := &losing{Context: emulator.New(t, emulator.Options{})}, &strings.Builder{}
	dev := device(t, func() (driver.Context, error) { return gpu, nil })
	o := Options{Device: dev, GPULayers: 3, Context: 32, MaxRows: 16}
	o.Notify = func(text string) { fmt.Fprintln(warnings, text) }
	m := tiny(t, o)
	if !m.OnGPU() {
		t.Fatal(warnings)
	}
	return m, gpu, warnings
}

// fellBack checks that a model has left its GPU, and said so once.
func fellBack(t testing.TB, m *Model, warnings *strings.Builder) {
	t.Helper()
	if m.OnGPU() || strings.Count(warnings.String(), "Going on with the CPU") != 1 {
		t.Errorf("computed on %s, with the warnings %q", m.Placement(), warnings)
	}
}

// TestSessionSaveLost loses the GPU while a session is saved: the file is whole,
// and continues.
func TestSessionSaveLost(t *testing.T) {
	const n = 5
	cpu := newSession(t, tiny(t, Options{Context: 32}), 0)
	more := text(t, n+2)
	want := generate(t, cpu, more, few)
	for _, copies := range []int{0, 3} {
		m, gpu, warnings := onLosing(t)
		s, whole := saved(t, m, n)
		gpu.lose(copies)
		file := saveFile(t, s)
		fellBack(t, m, warnings)
		if len(file) != len(whole) {
			t.Errorf("lost after %d copies: a file of %d bytes, want %d", copies, len(file), len(whole))
		}
		for _, reader := range []*Session{cpu, s} {
			loadFile(t, reader, file)
			if got := generate(t, reader, more, few); got != want || reader.Stats().Reused != n {
				t.Errorf("lost after %d copies: %q with %d tokens reused, want %q", copies, got, reader.Stats().Reused, want)
			}
		}
	}
}

// TestSessionLoadLost loses the GPU while a session is loaded.
func TestSessionLoadLost(t *testing.T) {
	const n = 5
	cpu, file := saved(t, tiny(t, Options{Context: 32}), n)
	more := text(t, n+2)
	want := generate(t, cpu, more, few)
	for _, copies := range []int{0, 3} {
		m, gpu, warnings := onLosing(t)
		s := newSession(t, m, 0)
		gpu.lose(copies)
		broken := bytes.Clone(file)
		broken[len(broken)-40] ^= 1
		if _, err := s.Load(bytes.NewReader(broken)); !errors.Is(err, errDamaged) || s.Len() != 0 {
			t.Errorf("a damaged file: %v, %d tokens", err, s.Len())
		}
		gpu.lose(copies)
		loadFile(t, s, file)
		fellBack(t, m, warnings)
		if got := generate(t, s, more, few); got != want || s.Stats().Reused != n {
			t.Errorf("lost after %d copies: %q with %d tokens reused, want %q", copies, got, s.Stats().Reused, want)
		}
	}
}

// TestSessionAfterLoss saves and loads sessions of a model that has lost its GPU,
// and breaks off what is computed anew.
func TestSessionAfterLoss(t *testing.T) {
	const n = 5
	cpu, onCPU := saved(t, tiny(t, Options{Context: 32, MaxRows: 16}), n)
	more := text(t, n+2)
	want := generate(t, cpu, more, few)
	m, gpu, warnings := onLosing(t)
	s, _ := saved(t, m, n)
	idle, _ := saved(t, m, n)
	loaded := newSession(t, m, 0)
	gpu.lose(0)
	ctx, cancel := context.WithCancel(context.Background())
	m.notify = func(text string) {
		fmt.Fprintln(warnings, text)
		cancel() // before anything is computed anew
	}
	for _, err := range s.Generate(ctx, more, few) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("broken off: %v", err)
		}
	}
	fellBack(t, m, warnings)
	if s.Len() != n {
		t.Errorf("broken off, the session has %d tokens of %d", s.Len(), n)
	}
	if got := generate(t, s, more, few); got != want || s.Stats().Reused != n {
		t.Errorf("continued: %q with %d tokens reused, want %q", got, s.Stats().Reused, want)
	}
	// What the CPU computes anew are the CPU's own keys and values.
	if !bytes.Equal(saveFile(t, idle), onCPU) {
		t.Error("saved after the loss, the file is not that of the CPU")
	}
	loadFile(t, loaded, onCPU)
	if got := generate(t, loaded, more, few); got != want || loaded.Stats().Reused != n {
		t.Errorf("loaded after the loss: %q with %d tokens reused, want %q", got, loaded.Stats().Reused, want)
	}
}
