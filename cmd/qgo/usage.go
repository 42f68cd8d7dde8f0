package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"qgo/gguf/show"
)

// usageError is a mistake on the command line.
type usageError struct {
	command string
	err     error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd.CommandPath(), fmt.Errorf(format, args...)}
}

// exactly checks the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usagef(cmd, "expected %s, found %s", what, english.Plural(len(args), "argument", ""))
		}
		return nil
	}
}

// noCommand says that a command has no subcommand of that name.
func noCommand(cmd *cobra.Command, name string) error {
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return usagef(cmd, "there is no command %s%s", show.Quoted(name), didYouMean(name, names))
}

// flagError says in the program's own words what the flags' parser says.
func flagError(cmd *cobra.Command, err error) error {
	if args := cmd.Flags().Args(); !cmd.HasParent() && len(args) > 0 {
		return noCommand(cmd, args[0]) // its flags are not the mistake
	}
	var (
		unknown *pflag.NotExistError
		missing *pflag.ValueRequiredError
		invalid *pflag.InvalidValueError
	)
	switch {
	case errors.As(err, &unknown):
		if unknown.GetSpecifiedShortnames() != "" {
			return usagef(cmd, "there is no flag -%s", show.Text(unknown.GetSpecifiedName()))
		}
		name := "--" + unknown.GetSpecifiedName()
		return usagef(cmd, "there is no flag %s%s", show.Text(name), didYouMean(name, flagNames(cmd)))
	case errors.As(err, &missing):
		return usagef(cmd, "--%s needs a value: expected %s", missing.GetFlag().Name, expected(cmd, missing.GetFlag(), nil))
	case errors.As(err, &invalid):
		f := invalid.GetFlag()
		return usagef(cmd, "--%s is %s: expected %s", f.Name, show.Quoted(invalid.GetValue()), expected(cmd, f, invalid.Unwrap()))
	}
	return usagef(cmd, "%w", err)
}

// seedRange is what a number of 64 bits without a sign can be.
const seedRange = "a whole number from 0 to 18446744073709551615"

// expected says which values a flag takes; cause is why it did not take one.
func expected(cmd *cobra.Command, f *pflag.Flag, cause error) string {
	if list := enumerated(cmd, f.Name); list != nil {
		return english.WordSeries(list, "or")
	}
	outside := errors.Is(cause, strconv.ErrRange)
	switch kind := f.Value.Type(); kind {
	case "int", "int64":
		if outside {
			return fmt.Sprintf("a whole number from %d to %d", math.MinInt, math.MaxInt)
		}
		return "a whole number"
	case "uint64":
		return seedRange
	case "float64":
		if outside {
			return fmt.Sprintf("a number of at most %.2g", math.MaxFloat64)
		}
		return "a number"
	case "bool":
		return "true or false"
	case "duration":
		return "a time such as 10s"
	case "stringSlice":
		return "a list separated by commas"
	case "string", "stringArray":
		return "a text"
	default:
		if cause != nil {
			return cause.Error()
		}
		return "a " + kind
	}
}

// flagNames lists the flags of a command, with their dashes.
func flagNames(cmd *cobra.Command) (names []string) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, "--"+f.Name)
		}
	})
	return names
}

// checkValues reports flags whose value is none of those there are, or out of
// the range that the flag of that name has in every command.
func checkValues(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err != nil {
			return
		}
		value := f.Value.String()
		if f.Value.Type() == "int" && (f.Name == "threads" || f.Name == "ctx") && strings.HasPrefix(value, "-") {
			err = usagef(cmd, "--%s is %s: choose 0 or more", f.Name, value)
		}
		list := enumerated(cmd, f.Name)
		isOne := func(s string) bool { return strings.EqualFold(s, value) }
		if list != nil && value != "" && !slices.ContainsFunc(list, isOne) {
			err = usagef(cmd, "--%s is %s: choose %s%s", f.Name, show.Quoted(value), english.WordSeries(list, "or"), didYouMean(value, list))
		}
	})
	return err
}

// wrapArgs makes usage errors of all mistakes that commands find in their
// arguments, and says of a command that has others below it that there is none
// of that name.
func wrapArgs(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		wrapArgs(c)
	}
	check := cmd.Args
	if check == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		var usage *usageError
		switch {
		case err != nil && cmd.HasSubCommands() && len(args) > 0:
			return noCommand(cmd, args[0])
		case err == nil || errors.As(err, &usage):
			return err
		}
		return usagef(cmd, "expected no arguments, found %s", english.Plural(len(args), "argument", ""))
	}
}

// didYouMean returns "; did you mean X?" for the word of the list that is most
// like the one that was typed, or nothing if none is.
func didYouMean(typed string, list []string) string {
	best, least := "", 0
	for _, word := range list {
		d := distance(strings.ToLower(typed), strings.ToLower(word))
		if short := min(len(word), len(typed)); d < short && d <= max(1, short/3) && (best == "" || d < least) {
			best, least = word, d
		}
	}
	if best == "" {
		return ""
	}
	return "; did you mean " + best + "?"
}

// distance is the number of letters to insert, remove, replace or swap with
// their neighbour to make one word of the other (optimal string alignment).
func distance(a, b string) int {
	const longest = 64 // no name is longer, and the time grows with the square
	if len(a) > longest || len(b) > longest {
		return max(len(a), len(b))
	}
	var d [longest + 1][longest + 1]int
	for i := range len(a) + 1 {
		for j := range len(b) + 1 {
			if i == 0 || j == 0 {
				d[i][j] = i + j
				continue
			}
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
