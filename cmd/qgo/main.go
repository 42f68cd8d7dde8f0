// Command qgo runs Qwen2.5 and Qwen3 models from GGUF files on any CPU, and measures how
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
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"qgo/gguf/show"
	"qgo/model/files"
)

// Exit codes. Those of other signals are [signalError]'s.
const (
	exitBadInput    = 1
	exitUsage       = 2
	exitInterrupted = 128 + int(syscall.SIGINT)
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run is the program with its surroundings as arguments, for tests.
func run(args []string, in io.Reader, out, errOut io.Writer) int {
	ctx, stop := withInterrupts(context.Background())
	defer stop()
	defer restoreOnPanic(ctx)
	written := &output{to: out}
	cmd := newRoot()
	cmd.SetArgs(args)
	cmd.SetIn(in)
	cmd.SetOut(written)
	cmd.SetErr(errOut)
	addCobraCommands(cmd)
	if isTerminal(written) {
		wrapHelp(cmd, terminalWidth(written))
	}
	return exitCode(ctx, cmd.ExecuteContext(ctx), written, errOut)
}

// exitCode says why the program ends, if it is for an error.
func exitCode(ctx context.Context, err error, written *output, errOut io.Writer) int {
	say := func(text string) { fmt.Fprintln(errOut, wrapped(errOut, show.Lines("qgo: "+text))) }
	var usage *usageError
	switch s := signalOf(ctx); {
	case written.closed():
		return (&signalError{syscall.SIGPIPE}).exitCode()
	case written.err != nil && (err == nil || errors.Is(err, written.err)):
		say(fmt.Sprintf("the output could not be written: %v", files.Reason(written.err)))
		return exitBadInput
	case err == nil:
		return 0
	case s != nil && s.number == syscall.SIGINT:
		say("interrupted")
		return exitInterrupted
	case s != nil:
		say("ended by a signal: " + s.Error())
		return s.exitCode()
	case errors.As(err, &usage):
		say(fmt.Sprintf("%s\nTry '%s --help'.", plain(err), usage.command))
		return exitUsage
	}
	say(plain(err))
	return exitBadInput
}

// outputsKey is the annotation of a command with more forms of output than
// text and json: their names.
const outputsKey = "outputs"

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "qgo",
		Short: "Qwen2.5 and Qwen3 on any CPU, measured against the machine's limits",
		Long: `qgo runs Qwen2.5 and Qwen3 models from GGUF files, in pure Go, and measures how
near they come to what the machine allows.

Three things to do first:
  qgo bench                       how fast is this machine? (needs no model)
  qgo chat -p "What does strings.ToUpper do?"
                                  ask the small model that is built in
  qgo pull qwen2.5-0.5b:q4_0      get a real one; then: qgo chat -m qwen2.5-0.5b:q4_0`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("version") {
				version, _, err := cmd.Find([]string{"version"})
				if err != nil {
					return err
				}
				return version.RunE(version, nil)
			}
			return cmd.Help()
		},
	}
	root.SetFlagErrorFunc(flagError)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return checkValues(cmd) }
	root.Flags().Bool("version", false, "print the version")
	root.SetHelpCommand(newHelp())
	root.AddCommand(newAdvise(), newBench(), newChat(), newDevices(), newDoctor(), newInspect(), newList(), newLogits(), newMan(),
		newPerplexity(), newPull(), newQuantize(), newRemove(), newRender(), newRoofline(), newSynth(), newTokenize(), newVerify(), newVersion())
	for _, c := range root.Commands() {
		addOutput(c)
	}
	addCompletions(root)
	return root
}

// addCobraCommands adds the commands that cobra makes, which keep the root's
// output.
func addCobraCommands(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Example = "  qgo completion bash >/etc/bash_completion.d/qgo"
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() } // so that its arguments are checked
		}
	}
	wrapArgs(root)
}

// wrapHelp has the flags' help broken between words.
func wrapHelp(root *cobra.Command, width int) {
	root.SetUsageTemplate(strings.ReplaceAll(root.UsageTemplate(), "Flags.FlagUsages ", fmt.Sprintf("Flags.FlagUsagesWrapped %d ", width)))
}

// newHelp is cobra's help, but that a mistyped command is an error.
func newHelp() *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show the help of a command",
		Example: "  qgo help chat",
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) (list []string, _ cobra.ShellCompDirective) {
			if of, rest, err := cmd.Root().Find(args); err == nil && len(rest) == 0 {
				for _, c := range of.Commands() {
					if c.IsAvailableCommand() {
						list = append(list, c.Name())
					}
				}
			}
			return list, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			of, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return noCommand(of, rest[0])
			}
			of.InitDefaultHelpFlag()
			return of.Help()
		},
	}
}

// outputForms are the forms of a command's output.
func outputForms(cmd *cobra.Command) []string {
	return strings.Fields(cmp.Or(cmd.Annotations[outputsKey], "text json"))
}

// addOutput adds the flag for the form of the output; -o for short, unless that
// is the file that the command writes.
func addOutput(c *cobra.Command) {
	short := "o"
	if c.Flags().ShorthandLookup(short) != nil {
		short = ""
	}
	c.PersistentFlags().StringP("output", short, "text", "form of the output: "+strings.Join(outputForms(c), ", "))
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
