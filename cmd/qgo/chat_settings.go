package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"qgo/gguf/show"
)

// setting is what /set changes.
type setting struct {
	name   string
	values []string // if it has no others
	get    func(c *conversation) string
	set    func(c *conversation, value string) error
}

func settings() []setting {
	var list []setting
	for _, k := range knobs {
		list = append(list, setting{name: k.name, get: func(c *conversation) string {
			p, source := &c.dialog.Generation.Sampling, c.sampling.source(k)
			return strings.TrimRight(withMeaning(k.get(p), k.meaning(p))+" "+source, " ")
		}, set: func(c *conversation, value string) error {
			if err := c.sampling.change(k, value, c.m.Vocab); err != nil {
				return k.explain(err)
			}
			seed := c.dialog.Generation.Sampling.Seed // /regen counts it up
			c.dialog.Generation.Sampling = c.sampling.params()
			c.dialog.Generation.Sampling.Seed = seed
			return nil
		}})
	}
	return append(list,
		setting{name: "seed", get: func(c *conversation) string {
			return strconv.FormatUint(c.dialog.Generation.Sampling.Seed, 10)
		}, set: func(c *conversation, value string) error {
			n, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return fmt.Errorf("seed is %s: expected %s", show.Quoted(value), seedRange)
			}
			c.dialog.Generation.Sampling.Seed = n
			return nil
		}},
		setting{name: "max-tokens", get: func(c *conversation) string {
			n := c.dialog.Generation.MaxTokens
			if n == 0 {
				return withMeaning("0", "no limit")
			}
			return strconv.Itoa(n)
		}, set: func(c *conversation, value string) error {
			n, err := strconv.Atoi(value)
			if err != nil || n < 0 {
				return fmt.Errorf("%s is no number of tokens; choose 0 (no limit) or more", show.Quoted(value))
			}
			c.dialog.Generation.MaxTokens = n
			return nil
		}},
		toggle("speculate", func(c *conversation) *bool { return &c.dialog.Generation.Speculate }),
		toggle("verbose", func(c *conversation) *bool { return &c.verbose }))
}

// toggle is a setting that is on or off.
func toggle(name string, of func(c *conversation) *bool) setting {
	return setting{name: name, values: []string{"on", "off"}, get: func(c *conversation) string {
		return map[bool]string{true: "on", false: "off"}[*of(c)]
	}, set: func(c *conversation, value string) error {
		if value != "on" && value != "off" {
			return fmt.Errorf("%s: choose on or off", show.Quoted(value))
		}
		*of(c) = value == "on"
		return nil
	}}
}

func (c *conversation) set(args string) error {
	name, value, _ := strings.Cut(args, " ")
	all := settings()
	line := func(s setting) {
		c.say("%s", shortEntry(s.name, s.get(c), terminalWidth(c.out)))
	}
	if name == "" {
		for _, s := range all {
			line(s)
		}
		return nil
	}
	name = strings.TrimPrefix(name, "--")
	i := slices.IndexFunc(all, func(s setting) bool { return s.name == name })
	if i < 0 {
		var names []string
		for _, s := range all {
			names = append(names, s.name)
		}
		return fmt.Errorf("there is no setting %s%s", show.Text(name), cmp.Or(didYouMean(name, names), "; /set lists them"))
	}
	if value = strings.TrimSpace(value); value == "" {
		line(all[i])
		return nil
	}
	return all[i].set(c, value)
}

// completeSetting completes what follows /set.
func completeSetting(text string) (list []string) {
	name, value, hasValue := strings.Cut(text, " ")
	for _, s := range settings() {
		switch {
		case !hasValue && strings.HasPrefix(s.name, name):
			list = append(list, s.name+" ")
		case hasValue && s.name == name:
			for _, v := range s.values {
				if strings.HasPrefix(v, value) {
					list = append(list, name+" "+v)
				}
			}
		}
	}
	return list
}
