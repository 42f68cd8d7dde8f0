package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"qgo/gguf/show"
	"qgo/model/hub"
)

// lineHelp says which models have names.
func lineHelp() string {
	var b strings.Builder
	for _, l := range hub.Lines {
		fmt.Fprintf(&b, "  %-24s %s as Qwen publishes it; the sizes are\n%27s%s\n", l.Prefix+"SIZE:TYPE", l.Title, "", strings.Join(l.Sizes, ", "))
	}
	return b.String()
}

func newPull() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pull NAME",
		Short: "Download a published model",
		Long: `pull downloads a model into the cache directory, where --model finds it by the
same name:

` + lineHelp() + `  hf.co/USER/REPO:TYPE     any GGUF repository of Hugging Face
  https://HOST/PATH.gguf   a file anywhere

The types that Qwen publishes are ` + strings.Join(hub.Quants[:5], ", ") + `,
` + strings.Join(hub.Quants[5:], ", ") + `, of Qwen3 fewer;
without one it is q4_k_m, or q8_0 if that is all there is.

What was downloaded before an interruption is kept. Size and SHA-256 are
checked against those that the hub states, also of what is there already.

Environment: HF_TOKEN (a token of a Hugging Face account; or else the one that
Hugging Face's tools have stored), HF_ENDPOINT (a mirror of
` + hub.DefaultEndpoint + `), HTTPS_PROXY, QGO_MODELS (the cache directory).`,
		Example: `  qgo pull qwen2.5-0.5b:q4_0
  qgo pull hf.co/Qwen/Qwen2.5-7B-Instruct-GGUF:q4_k_m
  HF_ENDPOINT=https://mirror.example qgo pull qwen2.5-3b:q4_k_m`,
		Args:              exactly(1, "the name of a model, for example qwen2.5-0.5b:q4_0"),
		ValidArgsFunction: completePublished,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := hub.ParseRef(args[0])
			if info, notFile := os.Stat(args[0]); err != nil && notFile == nil && info.Mode().IsRegular() {
				return usagef(cmd, "%s is a file on this machine, which can be used as it is: --model %s", show.Quoted(args[0]), show.Lines(args[0]))
			}
			if err != nil {
				return usagef(cmd, "%w", err)
			}
			cache, err := hub.DefaultCache()
			if err != nil {
				return err
			}
			path, total, err := pull(cmd, cache, ref)
			if err != nil {
				return err
			}
			name := show.Lines(ref.String())
			if wantsJSON(cmd) {
				return printJSON(cmd, map[string]any{"name": ref.String(), "file": path, "bytes": total})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s: %s. Try it: qgo chat --model %s\n", path, bytesText(total), name)
			return nil
		},
	}
	return cmd
}

// pull shows how a download goes. What happens besides is a line above the
// progress.
func pull(cmd *cobra.Command, cache hub.Cache, ref hub.Ref) (path string, total int64, err error) {
	var mu sync.Mutex // the client calls from several goroutines
	bar := newProgress(cmd, ref.String())
	client := hub.NewClient()
	client.Notice = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		bar.end()
		fmt.Fprintln(cmd.ErrOrStderr(), "qgo:", show.Lines(text))
	}
	path, total, err = client.Pull(cmd.Context(), cache, ref, func(done, total int64) {
		mu.Lock()
		defer mu.Unlock()
		bar.set(done, total)
	})
	bar.end()
	if cmd.Context().Err() != nil && isBegun(cache, ref) {
		fmt.Fprintln(cmd.ErrOrStderr(), "qgo: what was downloaded is kept: the same command continues")
	}
	return path, total, err
}

// isBegun reports whether there is something of a model, and not all of it.
func isBegun(cache hub.Cache, ref hub.Ref) bool {
	list, _ := cache.List() // where there is no list there is no model
	return slices.ContainsFunc(list, func(e hub.Entry) bool { return e.Name == ref.String() && !e.Complete() })
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
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", show.Lines(e.Name), bytesText(e.Total), e.Modified.Format("2006-01-02 15:04"), incomplete(e))
			}
			return w.Flush()
		},
	}
}

// incomplete says what is there of a model of which something is missing.
func incomplete(e hub.Entry) string {
	switch {
	case e.Complete():
		return ""
	case e.Parts == 1:
		return fmt.Sprintf("incomplete: %s of it are here; pull it again to get the rest", bytesText(e.Size))
	}
	return fmt.Sprintf("incomplete: %d of %d parts are whole; pull it again to get the rest", e.Whole, e.Parts)
}

// modelName is what --model takes for a file in the cache.
func modelName(path string) string { return hub.NameOf(path) }

func newRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "rm NAME",
		Short:             "Delete a model from the cache",
		Example:           "  qgo rm qwen2.5-0.5b:q4_0",
		Args:              exactly(1, "the name of a model (see 'qgo list')"),
		ValidArgsFunction: completeRemovable,
		RunE: func(cmd *cobra.Command, args []string) error {
			cache, err := hub.DefaultCache()
			if err != nil {
				return err
			}
			removed, err := cache.Remove(args[0])
			for _, path := range removed {
				fmt.Fprintln(cmd.ErrOrStderr(), "deleted", show.Lines(path))
			}
			if err == nil && wantsJSON(cmd) {
				name := args[0]
				if ref, err := hub.ParseRef(name); err == nil {
					name = ref.String() // without what is secret of an address
				}
				return printJSON(cmd, map[string]any{"name": name, "deleted": removed})
			}
			return err
		},
	}
}

// completeRemovable completes the names of models in the cache, and of those
// of which something is missing.
func completeRemovable(cmd *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
	names, directive := completeCached(cmd, args, text)
	cache, err := hub.DefaultCache()
	if err != nil {
		return names, directive
	}
	list, _ := cache.List() // where there is no list there is nothing to complete
	for _, e := range list {
		if !e.Complete() {
			names = append(names, e.Name)
		}
	}
	return names, directive
}
