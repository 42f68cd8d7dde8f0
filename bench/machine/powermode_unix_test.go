//go:build unix

package machine

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// jetson is a machine with an nvpmodel, which is a script; it keeps its mode in
// a file, and asks for a reboot in mode 2.
func jetson(t *testing.T) (c *PowerControl, mode string) {
	t.Helper()
	root := t.TempDir()
	mode = filepath.Join(root, "mode")
	put(t, mode, "0", 0o600)
	put(t, filepath.Join(root, "etc/nvpmodel.conf"), "# comment\n< POWER_MODEL ID=0 NAME=MAXN >\n< POWER_MODEL ID=1 NAME=5W >\n< POWER_MODEL ID=2 NAME=7W >\n< POWER_MODEL ID=3 NAME=9W >", 0o600)
	put(t, filepath.Join(root, "usr/sbin/nvpmodel"), `#!/bin/sh
case "$1 $2" in
"-q ") echo "NVPM WARN: fan mode is not set!"; echo "NV Power Mode: X"; read m <"`+mode+`"; echo "$m" ;;
"-m 2") echo "NVPM WARN: Reboot required for changing to this power mode: 2"; echo "NVPM WARN: DO YOU WANT TO REBOOT NOW? enter YES/yes to confirm:"; read answer; [ "$answer" = no ] || echo 2 >"`+mode+`" ;;
"-m 3") echo "NVPM ERROR: no permission" >&2; exit 1 ;;
"-m "*) echo "$2" >"`+mode+`" ;;
esac`, 0o700)
	t.Setenv("PATH", "")
	c = control(root)
	c.knobs[0].(*nvpModel).euid = func() int { return 0 }
	return c, mode
}

func TestNVPModel(t *testing.T) {
	c, mode := jetson(t)
	modes, err := c.Parse("nvpmodel=1,nvpmodel=0,nvpmodel=01")
	if want := []PowerMode{"nvpmodel=1", "nvpmodel=0"}; err != nil || !slices.Equal(modes, want) {
		t.Fatalf("%q, %v", modes, err)
	}
	for _, m := range []PowerMode{"nvpmodel=1", "nvpmodel=0"} {
		if err := c.Set(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		if got := readText(mode); "nvpmodel="+got != string(m) {
			t.Errorf("mode %s is set, want %s", got, m)
		}
		if err := c.Restore(); err != nil || readText(mode) != "0" {
			t.Errorf("%v, mode %s", err, readText(mode))
		}
	}
	const offers = "; this machine offers as-is; nvpmodel=0 (MAXN), 1 (5W), 2 (7W) or 3 (9W)"
	if _, err := c.Parse("nvpmodel=7"); err == nil || !strings.HasPrefix(err.Error(), `"nvpmodel=7": nvpmodel is "7": choose 0 (MAXN), 1 (5W), 2 (7W) or 3 (9W)`+offers) {
		t.Errorf("%v", err)
	}
	for m, want := range map[PowerMode]string{
		"nvpmodel=2": `the power mode nvpmodel=2 was not set: nvpmodel -m 2 asks for a reboot ("NVPM WARN: Reboot required for changing to this power mode: 2"): restart the machine in that mode, and measure it as-is`,
		"nvpmodel=3": `the power mode nvpmodel=3 was not set: nvpmodel -m 3 failed: "NVPM ERROR: no permission"`,
	} {
		if err := c.Set(t.Context(), m); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
		if err := c.Restore(); err != nil || readText(mode) != "0" {
			t.Errorf("%v, mode %s", err, readText(mode))
		}
	}
	if err := c.Set(t.Context(), "nvpmodel=1"); err != nil {
		t.Fatal(err)
	}
	n := c.knobs[0].(*nvpModel)
	n.program = filepath.Join(t.TempDir(), "gone")
	if err := c.Restore(); err == nil || !strings.HasSuffix(err.Error(), "; by hand: sudo nvpmodel -m 0") {
		t.Errorf("%v", err)
	}
	n.euid = func() int { return 1000 }
	if _, err := c.Parse("nvpmodel=1"); err == nil || !strings.Contains(err.Error(), "nvpmodel cannot be set: needs root"+offers+" (needs root)") {
		t.Errorf("%v", err)
	}
}
