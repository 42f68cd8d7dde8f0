package speculate

import (
	"context"
	"strings"
	"testing"

	"qgo/kernels/cuda"
	"qgo/kernels/cuda/driver"
	"qgo/kernels/cuda/emulator"
	"qgo/model"
	"qgo/model/demo"
)

// TestRunOnGPU asks for guesses on an old GPU, where there are none.
func TestRunOnGPU(t *testing.T) {
	c := emulator.New(t, emulator.Options{}) // by the test's own goroutine, which it may end
	d, err := cuda.OpenContext(func() (driver.Context, error) { return c, nil })
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f, err := demo.Open()
	if err != nil {
		t.Fatal(err)
	}
	m, err := model.Load(context.Background(), f, model.Options{Device: d, GPULayers: model.AllLayers, Context: 64})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	var r Report
	p := Plan{Reps: 1, Answer: 4}
	err = p.Run(context.Background(), m, &r)
	if err == nil || !strings.Contains(err.Error(), "no guesses to measure: as this model is placed, what") || len(r.Kinds) > 0 {
		t.Errorf("%v, %+v", err, r)
	}
}
