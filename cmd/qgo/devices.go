package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/kernels"
	"qgo/kernels/devices"
	"qgo/kernels/plan"
	"qgo/kernels/tier"
)

func newDevices() *cobra.Command {
	return &cobra.Command{
		Use:     "devices",
		Short:   "List what qgo can compute on",
		Example: "  qgo devices\n  qgo devices -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			tiers := tier.Names()
			cpu := struct {
				Name     string   `json:"name"`
				Threads  int      `json:"threads"`
				Tiers    []string `json:"tiers"`
				Features []string `json:"features"`
			}{machine.CPUName(), kernels.Cores(), tiers, tier.Instructions()}
			if wantsJSON(cmd) {
				type gpu struct {
					Kind string `json:"kind"`
					plan.DeviceInfo
				}
				gpus := []gpu{}
				for _, kind := range devices.Kinds {
					list, _ := kind.List() // none is an empty list
					for _, info := range list {
						gpus = append(gpus, gpu{kind.Name, info})
					}
				}
				return printJSON(cmd, map[string]any{"cpu": cpu, "gpus": gpus})
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "CPU   %s, %s by default\n", cpu.Name, bench.Threads(cpu.Threads))
			fmt.Fprintf(out, "      kernels: %s (the first is the default)\n", strings.Join(tiers, ", "))
			fmt.Fprintf(out, "      instruction sets that matter here: %s\n", strings.Join(cpu.Features, " "))
			for _, kind := range devices.Kinds {
				gpus, err := kind.List()
				if err != nil {
					fmt.Fprintln(out, "GPU   none:", err)
				}
				for _, g := range gpus {
					fmt.Fprintln(out, "GPU  ", kind.Describe(g))
					if err := kind.Supports(g); err != nil {
						fmt.Fprintln(out, "      too old to compute on:", strings.TrimPrefix(err.Error(), kind.Name+": "))
					}
				}
			}
			return nil
		},
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  qgo version -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			version := "(unknown)"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]string{"version": version, "go": runtime.Version(), "os": runtime.GOOS, "arch": runtime.GOARCH})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "qgo %s, %s, %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}
