package main

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"qgo/gguf/show"
)

// completeCommand is for [lineedit.Editor]: what a command could become.
func completeCommand(text string) (list []string) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil
	}
	name, args, ok := strings.Cut(rest, " ")
	if ok {
		for _, found := range completeArgs(name, args) {
			list = append(list, "/"+name+" "+found)
		}
		return list
	}
	for _, k := range chatCommands() {
		if strings.HasPrefix(k.name, rest) {
			text := "/" + k.name
			if k.args != "" {
				text += " "
			}
			list = append(list, text)
		}
	}
	return list
}

// completeArgs completes what follows the name of a command.
func completeArgs(name, args string) []string {
	switch name {
	case "set":
		return completeSetting(args)
	case "load", "save", "delete":
		var list []string
		for _, s := range sessionNames() {
			if strings.HasPrefix(s, args) {
				list = append(list, s)
			}
		}
		return list
	case "read":
		return completeFile(args)
	}
	return nil
}

// completeFile completes the name of a file. Hidden ones need their dot, and
// names that a line cannot show are left out.
func completeFile(path string) (list []string) {
	dir, base := filepath.Split(path)
	real := cmp.Or(expandHome(dir), ".")
	entries, _ := os.ReadDir(real) // nothing to complete if there is none
	for _, e := range entries {
		name := e.Name()
		hidden := strings.HasPrefix(name, ".") && !strings.HasPrefix(base, ".")
		if !strings.HasPrefix(name, base) || hidden || strings.ContainsFunc(name, unicode.IsControl) || show.Lines(name) != name {
			continue
		}
		info, err := os.Stat(filepath.Join(real, name)) // a link counts as what it leads to
		switch {
		case err != nil:
		case info.IsDir():
			list = append(list, dir+name+string(filepath.Separator))
		case info.Mode().IsRegular():
			list = append(list, dir+name)
		}
	}
	return list
}
