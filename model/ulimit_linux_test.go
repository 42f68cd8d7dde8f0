package model

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"qgo/tensor"
)

// limited is set in the process of a test that runs under a limit of addresses.
const limited = "QGO_TEST_LIMITED"

// TestAddressLimit loads a model in a process that may have few addresses: what
// does not fit is an error, and not the end of the program.
func TestAddressLimit(t *testing.T) {
	if above := os.Getenv(limited); above != "" {
		limitAddresses(t, above)
		loadLimited(t)
		return
	}
	quantised(t) // or the test is skipped here, where it is seen
	for _, c := range []struct {
		above uint64 // of what a process takes that does nothing
		want  string
	}{
		{80 << 20, "are available (ulimit -v)"},
		{160 << 20, "are available (ulimit -v)"},
		{320 << 20, "are available (ulimit -v)"},
		{4 << 30, "loaded"},
	} {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestAddressLimit$", "-test.v")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", limited, c.above))
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) || strings.Contains(string(out), "fatal error") {
			t.Errorf("%d bytes more than nothing: %v, want %q in:\n%.2000s", c.above, err, c.want, out)
		}
	}
}

// limitAddresses leaves this process so many bytes, as ulimit -v does.
func limitAddresses(t *testing.T, above string) {
	n, err := strconv.ParseUint(above, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	n += uint64(addressSpace())
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: n, Max: n}); err != nil {
		t.Fatal(err)
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
