package main

import (
	"errors"
	"fmt"

	"github.com/dustin/go-humanize/english"
	"github.com/spf13/cobra"

	"qgo/bench/format"
	"qgo/gguf/show"
)

func newBenchVerify() *cobra.Command {
	return &cobra.Command{
		Use:   "verify FILE...",
		Short: "Check files of results: form, arithmetic, impossible figures",
		Long: `verify reads files of results as report and compare do, computes again from the
repetitions whatever a file of 'qgo bench' states, and names what differs: times
that do not add up, shares of bounds that do not follow from the bandwidths that
were probed, rates above what the machine can do.`,
		Example: "  qgo bench verify board.json",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "expected files of results, found none")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			type verdict struct {
				File    string   `json:"file"`
				Results int      `json:"results"`
				Faults  []string `json:"faults"`
			}
			verdicts, bad := []verdict{}, 0
			for _, path := range args {
				r, err := format.ReadFile(path)
				if err != nil {
					return err
				}
				v := verdict{path, len(r.Results), append([]string{}, r.Verify()...)}
				if len(v.Faults) > 0 {
					bad++
				}
				verdicts = append(verdicts, v)
			}
			if wantsJSON(cmd) {
				if err := printJSON(cmd, verdicts); err != nil {
					return err
				}
			} else {
				for _, v := range verdicts {
					fmt.Fprintf(cmd.OutOrStdout(), "%s: %s, %s\n", show.Text(v.File), english.Plural(v.Results, "result", ""), faultCount(len(v.Faults)))
					for _, f := range v.Faults {
						fmt.Fprintln(cmd.OutOrStdout(), wrap("  "+f, 80, "    "))
					}
				}
			}
			if bad > 0 {
				return errors.New(english.Plural(bad, "file does", "files do") + " not hold together")
			}
			return nil
		},
	}
}

func faultCount(n int) string {
	if n == 0 {
		return "no fault found"
	}
	return english.Plural(n, "fault", "")
}
