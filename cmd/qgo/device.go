package main

import (
	"fmt"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/kernels/devices"
	"qgo/kernels/plan"
	"qgo/model"
)

// deviceFlags choose what a model is computed on.
type deviceFlags struct{ device, layers string }

func (d *deviceFlags) add(f *pflag.FlagSet) {
	f.StringVar(&d.device, "device", "auto", "auto (a GPU if there is one), cpu, or a GPU such as cuda:0")
	f.StringVar(&d.layers, "gpu-layers", "auto", "layers on the GPU, from the model's end (head, blocks, embedding): auto (what fits), all, or a number")
}

// apply opens the GPU, if one is to be used, and sets the options. The GPU
// stays open until the program ends. One that was asked for and is not there is
// an error.
func (d *deviceFlags) apply(cmd *cobra.Command, o *model.Options) error {
	kind, index, must, err := d.choice()
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	layers, err := d.number()
	if err != nil {
		return usagef(cmd, "%w", err)
	}
	if index < 0 && d.layers != "auto" && d.layers != "0" {
		return usagef(cmd, "--device cpu and --gpu-layers %s exclude each other", d.layers)
	}
	o.Notify = func(text string) { fmt.Fprintln(cmd.ErrOrStderr(), "qgo:", text) }
	if index < 0 || layers == 0 && d.layers != "auto" {
		return nil
	}
	must = must || layers > 0
	if _, err := kind.List(); err != nil && !must {
		return nil
	}
	gpu, err := kind.Open(index)
	switch {
	case err == nil:
		o.Device, o.GPULayers = gpu, layers
	case must:
		return fmt.Errorf("%s needs a GPU: %w; leave it out to compute on the CPU ('qgo doctor' says more)", d.asked(), err)
	default:
		o.Notify(fmt.Sprintf("%v. Computing on the CPU.", err))
	}
	return nil
}

// asked is the flag that asks for a GPU.
func (d *deviceFlags) asked() string {
	if d.device != "auto" {
		return "--device " + d.device
	}
	return "--gpu-layers " + d.layers
}

// choice returns the GPU by its kind and its number, which is -1 for none, and
// whether one was asked for.
func (d *deviceFlags) choice() (kind plan.Kind, index int, must bool, err error) {
	switch d.device {
	case "auto":
		kind, _ := devices.First() // one of which there may be none
		return kind, 0, false, nil
	case "cpu":
		return kind, -1, false, nil
	}
	kind, index, ok := devices.Find(d.device)
	if !ok {
		err = fmt.Errorf("--device is %q: choose auto, cpu or a GPU such as %s:0 (see 'qgo devices')", d.device, devices.Kinds[0].Name)
	}
	return kind, index, true, err
}

func (d *deviceFlags) number() (int, error) {
	switch d.layers {
	case "auto":
		return 0, nil
	case "all":
		return model.AllLayers, nil
	}
	n, err := strconv.Atoi(d.layers)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("--gpu-layers is %q: choose auto, all or a number from 0", d.layers)
	}
	return n, nil
}
