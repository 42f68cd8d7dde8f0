// Command qgo runs Qwen2.5 models from GGUF files on any CPU, and measures how
// near they come to what the machine allows.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"qgo/gguf/show"
)

// Exit codes.
const (
	exitBadInput    = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the program with its surroundings as arguments, for tests.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := withInterrupts(context.Background())
	defer stop()
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	err := cmd.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return 0
	case ctx.Err() != nil:
		fmt.Fprintln(errOut, "qgo: interrupted")
		return exitInterrupted
	case errors.As(err, &usage):
		fmt.Fprintln(errOut, wrapped(errOut, show.Lines(fmt.Sprintf("qgo: %v\nTry '%s --help'.", err, usage.command))))
		return exitUsage
	}
	fmt.Fprintln(errOut, wrapped(errOut, show.Lines(fmt.Sprintf("qgo: %v", err))))
	return exitBadInput
}

// usageError is a mistake on the command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// exactly and upTo check the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef(cmd, "expected %s, found %d arguments", what, len(args))
		}
		return nil
	}
}

// outputsKey is the annotation of a command with more forms of output than
// text and json: their names.
const outputsKey = "outputs"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "qgo",
		Short: "Qwen2.5 on any CPU, measured against the machine's limits",
		Long: `qgo runs Qwen2.5 models from GGUF files, in pure Go, and measures how near
they come to what the machine allows.

Three things to do first:
  qgo bench                       how fast is this machine? (needs no model)
  qgo chat -p "What does strings.ToUpper do?"
                                  ask the small model that is built in
  qgo pull qwen2.5-0.5b:q4_0      get a real one; then: qgo chat -m qwen2.5-0.5b:q4_0`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef(cmd, "there is no command %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usagef(cmd, "%w", err) })
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		forms := strings.Fields(cmp.Or(cmd.Annotations[outputsKey], "text json"))
		if o := cmd.Flag("output"); o != nil && !slices.Contains(forms, o.Value.String()) {
			return usagef(cmd, "--output is %q: choose %s", o.Value, strings.Join(forms, " or "))
		}
		return nil
	}
	root.AddCommand(newAdvise(), newBench(), newChat(), newDevices(), newDoctor(), newInspect(), newList(), newLogits(), newMan(),
		newPerplexity(), newPull(), newQuantize(), newRemove(), newRoofline(), newSynth(), newTokenize(), newVerify(), newVersion())
	for _, c := range root.Commands() {
		addOutput(c)
	}
	addCompletions(root)
	return root
}

// addOutput adds the flag for the form of the output; -o for short, unless that
// is the file that the command writes.
func addOutput(c *cobra.Command) {
	short := "o"
	if c.Flags().ShorthandLookup(short) != nil {
		short = ""
	}
	forms := strings.Fields(cmp.Or(c.Annotations[outputsKey], "text json"))
	c.PersistentFlags().StringP("output", short, "text", "form of the output: "+strings.Join(forms, ", "))
}

// wantsJSON reports whether a command that [addOutput] was called for is to print
// JSON.
func wantsJSON(cmd *cobra.Command) bool { return cmd.Flag("output").Value.String() == "json" }

// printJSON writes v as indented JSON.
func printJSON(cmd *cobra.Command, v any) error {
	e := json.NewEncoder(cmd.OutOrStdout())
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
