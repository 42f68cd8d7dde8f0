package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func newMan() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages",
		Long:    "man writes a manual page for qgo and for each of its commands into a directory.",
		Example: "  qgo man /usr/local/share/man/man1",
		Args:    exactly(1, "the name of a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // pages do not change from day to day
			if err := doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "qgo", Manual: "qgo"}, args[0]); err != nil {
				return err
			}
			fmt.Fprintf(cmd.ErrOrStderr(), "The pages are in %s; 'man -l %s/qgo.1' shows the first.\n", args[0], args[0])
			return nil
		},
	}
}
