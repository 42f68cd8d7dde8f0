package model

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"qgo/tensor"
)

// limited is set in the process of a test that runs under a limit of addresses.
const limited = "QGO_TEST_LIMITED"

// TestAddressLimit loads a model in a process that may have few addresses: what
// does not fit is an error, and not the end of the program.
func TestAddressLimit(t *testing.T) {
	if os.Getenv(limited) != "" {
		loadLimited(t)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		above int64 // of what a process takes that does nothing
		want  string
	}{
		{80 << 20, "are available (ulimit -v)"},
		{160 << 20, "are available (ulimit -v)"},
		{320 << 20, "are available (ulimit -v)"},
		{4 << 30, "loaded"},
	} {
		// ulimit -v is of the shell; dash, bash and busybox have it.
		script := fmt.Sprintf("ulimit -v %d && exec %q -test.run '^TestAddressLimit$' -test.v", (idleSize(t)+c.above)>>10, exe)
		cmd := exec.Command("sh", "-c", script)
		cmd.Env = append(os.Environ(), limited+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "fatal error") {
			t.Errorf("%d bytes more than nothing: %v, want %q in:\n%.2000s", c.above, err, c.want, out)
		}
	}
}

// loadLimited loads models with shorter and shorter contexts.
func loadLimited(t *testing.T) {
	for _, context := range []int{1 << 17, 1024} {
		f := quantised(t)
		m, err := Load(t.Context(), f, Options{Context: context, Threads: 2})
		var memory *MemoryError
		switch {
		case err == nil:
			fmt.Println("loaded")
			if _, err := m.NewSession(0); err != nil {
				t.Error(err)
			}
			m.Close()
		case !errors.As(err, &memory) || memory.Limit.Source != tensor.SourceAddresses:
			t.Errorf("a context of %d: %v", context, err)
		default:
			fmt.Println(err)
		}
	}
}

// idleSize is the address space of this test's process as long as it does little.
func idleSize(t *testing.T) int64 {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestIdleSize$", "-test.v")
	cmd.Env = append(os.Environ(), limited+"=1")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var size int64
	if _, err := fmt.Sscanf(string(out[strings.Index(string(out), "size "):]), "size %d", &size); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return size
}

// TestIdleSize tells [idleSize].
func TestIdleSize(t *testing.T) {
	if size := addressSpace(); size <= 0 {
		t.Errorf("an address space of %d bytes", size)
	} else {
		fmt.Println("size", size)
	}
}
