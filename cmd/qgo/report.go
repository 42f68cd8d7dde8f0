package main

import (
	"bytes"
	"fmt"

	"github.com/spf13/cobra"

	"qgo/bench"
	"qgo/bench/format"
	"qgo/bench/html"
)

func newBenchReport() *cobra.Command {
	var path string
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Make one page with plots from files of results, of several machines too",
		Example: `  qgo bench report nano.json pi5.json --out report.html
  qgo bench report qgo.json llama-bench.csv --out report.html`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef(cmd, "expected files of results, found none")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if path == "" {
				return usagef(cmd, "--out is needed: the name of the page to write")
			}
			var reports []*bench.Report
			for _, arg := range args {
				r, err := format.ReadFile(arg)
				if err != nil {
					return err
				}
				reports = append(reports, r)
			}
			o := outputs{html: path}
			if err := o.open(); err != nil {
				return err
			}
			defer o.abandon()
			if err := o.finish(path, "", func(b *bytes.Buffer) error { return html.Write(b, reports, args...) }); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), path)
			return err
		},
	}
	cmd.Flags().StringVar(&path, "out", "", "page to write")
	return cmd
}
