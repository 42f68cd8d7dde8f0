package main

import (
	"strings"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/kernels/devices"
	"qgo/kernels/tier"
	"qgo/model"
	"qgo/model/hub"
	"qgo/model/synth"
)

// completion is what the shells' completion asks.
type completion = func(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective)

// enumerated lists the values of a flag that takes no others, nil of another
// flag. The names mean the same in every command.
func enumerated(cmd *cobra.Command, flag string) []string {
	switch flag {
	case "output":
		return outputForms(cmd)
	case "kv":
		return model.KVTypes()
	case "tier":
		return tier.Names()
	case "profile":
		return profileNames()
	}
	return nil
}

// addCompletions has the values of flags completed.
func addCompletions(cmd *cobra.Command) {
	for name, f := range map[string]completion{
		"model": completeModel, "kv": completeEnumerated("kv"), "tier": completeEnumerated("tier"),
		"output": completeEnumerated("output"), "profile": completeEnumerated("profile"),
		"device": completeDevice, "gpu-layers": choices("auto", "all"), "scenario": completeScenario,
	} {
		if cmd.LocalFlags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, f) // fails only for a flag that is not there
		}
	}
	for _, c := range cmd.Commands() {
		addCompletions(c)
	}
}

func completeEnumerated(flag string) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return enumerated(cmd, flag), cobra.ShellCompDirectiveNoFileComp
	}
}

func choices(list ...string) completion {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeDevice completes the CPU and the machine's GPUs.
func completeDevice(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append([]string{"auto", "cpu"}, devices.Names()...), cobra.ShellCompDirectiveNoFileComp
}

func completeScenario(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	list := []string{"all"}
	for _, s := range bench.Scenarios {
		list = append(list, s.Scenario)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completePublished completes the names of published models.
func completePublished(*cobra.Command, []string, string) (list []string, _ cobra.ShellCompDirective) {
	for _, n := range hub.Names() {
		list = append(list, n.String())
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}

// completeCached completes the names of models in the cache.
func completeCached(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return cachedNames(), cobra.ShellCompDirectiveNoFileComp
}

// completeModel completes names of models in the cache, and files.
func completeModel(_ *cobra.Command, _ []string, text string) ([]string, cobra.ShellCompDirective) {
	var list []string
	for _, n := range cachedNames() {
		if strings.HasPrefix(n, text) {
			list = append(list, n)
		}
	}
	if len(list) == 0 {
		return []string{"gguf"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return list, cobra.ShellCompDirectiveDefault
}

func cachedNames() (names []string) {
	cache, err := hub.DefaultCache()
	if err != nil {
		return nil
	}
	list, err := cache.List()
	if err != nil {
		return nil
	}
	for _, e := range list {
		if e.Complete() {
			names = append(names, modelName(e.Path))
		}
	}
	return names
}

// completeQuantize completes the arguments of quantize.
func completeQuantize(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) < 2 {
		return []string{"gguf"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return mixNames(), cobra.ShellCompDirectiveNoFileComp
}

// completeSynth completes the arguments of synth.
func completeSynth(_ *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
	if len(args) > 0 {
		return mixNames(), cobra.ShellCompDirectiveNoFileComp
	}
	for _, s := range synth.Shapes {
		list = append(list, s.Name)
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
