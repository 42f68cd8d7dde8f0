package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qgo/model/hub"
)

func newPull() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download a published model",
		Long: `pull downloads a Qwen2.5-Instruct model into the cache directory, where
--model finds it by its name. A name is qwen2.5-SIZE:TYPE with the size
` + strings.Join(hub.Sizes, ", ") + ` and the type ` + strings.Join(hub.Quants, ", ") + `.

What was downloaded before an interruption is kept. Size and SHA-256 are
checked against those that the hub states.

Environment: HF_TOKEN (a token of a Hugging Face account), HF_ENDPOINT (a mirror
of ` + hub.DefaultEndpoint + `), HTTPS_PROXY, QGO_MODELS (the cache directory).`,
		Example: `  qgo pull qwen2.5-0.5b:q4_0
  HF_ENDPOINT=https://mirror.example qgo pull qwen2.5-3b:q4_k_m`,
		Args:              exactly(1, "the name of a model, for example qwen2.5-0.5b:q4_0"),
		ValidArgsFunction: completePublished,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, err := hub.ParseName(args[0])
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			cache, err := hub.DefaultCache()
			if err != nil {
				return err
			}
			client := hub.NewClient()
			list, err := client.Files(cmd.Context(), name)
			if err != nil {
				return err
			}
			var total, before int64
			for _, f := range list {
				total += f.Size
			}
			bar := newProgress(cmd, name.String())
			for _, f := range list {
				err := client.Download(cmd.Context(), f, cache.Path(f), func(done int64) { bar.set(before+done, total) })
				if err != nil {
					bar.end()
					if cmd.Context().Err() != nil {
						fmt.Fprintf(cmd.ErrOrStderr(), "qgo: what was downloaded is kept: 'qgo pull %s' continues\n", name)
					}
					return err
				}
				before += f.Size
			}
			bar.end()
			path := cache.Path(list[0])
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"name": name.String(), "file": path, "bytes": total})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s. Try it: qgo chat --model %s\n", path, bytesText(total), name)
			return nil
		},
	}
	return cmd
}

func newList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the models in the cache",
		Example: "  qgo list\n  qgo list -o json",
		Args:    exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cache, err := hub.DefaultCache()
			if err != nil {
				return err
			}
			list, err := cache.List()
			if err != nil {
				return err
			}
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"directory": cache.Dir, "models": list})
			}
			if len(list) == 0 {
				stderr := cmd.ErrOrStderr()
				fmt.Fprintln(stderr, wrapped(stderr, fmt.Sprintf("There are no models in %s; 'qgo pull qwen2.5-0.5b:q4_0' gets one.", cache.Dir)))
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tSIZE\tCHANGED\t")
			for _, e := range list {
				note := ""
				if !e.Complete() {
					note = fmt.Sprintf("%s of it are here; pull it again to get the rest", bytesText(e.Size))
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", modelName(e.Path), bytesText(e.Total), e.Modified.Format("2006-01-02 15:04"), note)
			}
			return w.Flush()
		},
	}
}

// modelName is what --model takes for a file in the cache.
func modelName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".part")
	for _, n := range hub.Names() {
		if base == n.Stem()+".gguf" {
			return n.String()
		}
	}
	return base
}

func newRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "Delete a model from the cache",
		Example:           "  qgo rm qwen2.5-0.5b:q4_0",
		Args:              exactly(1, "the name of a model (see 'qgo list')"),
		ValidArgsFunction: completeCached,
		RunE: func(cmd *cobra.Command, args []string) error {
			cache, err := hub.DefaultCache()
			if err != nil {
				return err
			}
			removed, err := cache.Remove(args[0])
			for _, path := range removed {
				fmt.Fprintln(cmd.ErrOrStderr(), "deleted", path)
			}
			return err
		},
	}
}
