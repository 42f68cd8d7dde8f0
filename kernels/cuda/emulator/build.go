package emulator

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
)

// build compiles the kernels, which takes seconds, and keeps the program in the
// user's cache by a hash of what it was compiled from.
var build = sync.OnceValues(func() (string, error) {
	compiler, err := exec.LookPath("clang++-16")
	if err != nil {
		if compiler, err = exec.LookPath("clang++"); err != nil {
			return "", err
		}
	}
	_, self, _, _ := runtime.Caller(0)
	here := filepath.Dir(self)
	hash, err := hashOf(filepath.Join(here, "*.[ch]*"), filepath.Join(here, "build.go"), filepath.Join(here, "..", "src", "*"))
	if err != nil {
		return "", err
	}
	dir, err := cacheDir()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, hash)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// It gets its name when it is complete: another process may be at it too.
	draft := fmt.Sprintf("%s-%d", path, os.Getpid())
	args := []string{"-std=c++17", "-O2", "-Wall", "-fno-exceptions"}
	if runtime.GOARCH == "amd64" {
		args = append(args, "-mf16c") // else a library converts each float16 number
	}
	// The program is linked without a C++ library: it needs none.
	args = append(args, "-x", "c++", "-o", draft, filepath.Join(here, "emulator.cu"), "-lm")
	out, err := exec.Command(compiler, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, os.Rename(draft, path)
})

func cacheDir() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = os.TempDir()
	}
	dir := filepath.Join(base, "qgo-emulator")
	return dir, os.MkdirAll(dir, 0o700)
}

// hashOf returns a hash of the files that match patterns. They are opened by the
// test itself, so that go test knows when its results are out of date.
func hashOf(patterns ...string) (string, error) {
	h := sha256.New()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				return "", err
			}
			fmt.Fprintln(h, filepath.Base(name), len(data))
			h.Write(data)
		}
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16]), nil
}
