package machine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize/english"

	"qgo/gguf/show"
)

// nvpModel is the program that sets the power mode of a Jetson (Jetson Linux
// developer guide, "Supported Modes and Power Efficiency").
type nvpModel struct {
	program string // empty if there is none
	modes   []powerModel
	euid    func() int
}

// nvpTime is how long nvpmodel may take.
const nvpTime = 30 * time.Second

func (c *PowerControl) findNVPModel() knob {
	n := &nvpModel{euid: os.Geteuid, modes: powerModels(readText(filepath.Join(c.root, "etc/nvpmodel.conf")))}
	if path, err := exec.LookPath("nvpmodel"); err == nil {
		n.program = path
	} else if path := filepath.Join(c.root, "usr/sbin/nvpmodel"); isFile(path) { // which not every user's PATH has
		n.program = path
	}
	return n
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func (n *nvpModel) word() string { return "nvpmodel" }

func (n *nvpModel) offer() (values, lack string) {
	if n.program == "" {
		return "", "nvpmodel"
	}
	var all []string
	for _, m := range n.modes {
		all = append(all, fmt.Sprintf("%d (%s)", m.id, show.Text(m.name)))
	}
	if all == nil {
		return "ID", ""
	}
	return english.WordSeries(all, "or"), ""
}

func (n *nvpModel) blocked() string {
	if n.euid() != 0 {
		return "needs root"
	}
	if _, err := n.now(); err != nil {
		return err.Error()
	}
	return ""
}

func (n *nvpModel) parse(value string) (string, error) {
	id, err := strconv.ParseUint(value, 10, 16)
	known := n.modes == nil
	for _, m := range n.modes {
		known = known || uint64(m.id) == id
	}
	if err != nil || !known {
		values, _ := n.offer()
		return "", fmt.Errorf("nvpmodel is %s: choose %s", show.Quoted(value), values)
	}
	return strconv.FormatUint(id, 10), nil
}

// run calls the program, and refuses to restart the machine if it asks for
// that.
func (n *nvpModel) run(args ...string) (string, error) {
	// What restores must run although the context has ended.
	ctx, cancel := context.WithTimeout(context.Background(), nvpTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, n.program, args...)
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader("no\n"), &out, &out
	cmd.WaitDelay = time.Second
	detach(cmd)
	err := cmd.Run()
	command := "nvpmodel " + strings.Join(args, " ")
	for line := range strings.Lines(out.String()) {
		if strings.Contains(strings.ToLower(line), "reboot") {
			return "", fmt.Errorf("%s asks for a reboot (%s): restart the machine in that mode, and measure it as-is", command, show.Quoted(strings.TrimSpace(line)))
		}
	}
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s took more than %v", command, nvpTime)
	case err != nil:
		return "", fmt.Errorf("%s failed: %s", command, show.Quoted(lastLine(out.String())))
	}
	return out.String(), nil
}

// lastLine is the last line of a text that is not empty.
func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}

// now is the mode that is set: the last line of "nvpmodel -q".
func (n *nvpModel) now() (string, error) {
	out, err := n.run("-q")
	if err != nil {
		return "", err
	}
	id, err := strconv.ParseUint(lastLine(out), 10, 16)
	if err != nil {
		return "", fmt.Errorf("nvpmodel -q does not tell the mode, but %s", show.Quoted(lastLine(out)))
	}
	return strconv.FormatUint(id, 10), nil
}

func (n *nvpModel) set(_ context.Context, value string, undone func(undo)) error {
	before, err := n.now()
	if err != nil || before == value {
		return err
	}
	undone(func() (string, error) { return "sudo nvpmodel -m " + before, n.change(before) })
	return n.change(value)
}

// change sets a mode that is not set yet, and checks that it is set then.
func (n *nvpModel) change(value string) error {
	if now, err := n.now(); err != nil || now == value {
		return err
	}
	if _, err := n.run("-m", value); err != nil {
		return err
	}
	switch now, err := n.now(); {
	case err != nil:
		return err
	case now != value:
		return errors.New("nvpmodel did not take: the mode is " + now + ", and not " + value)
	}
	return nil
}
