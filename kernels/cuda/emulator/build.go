package emulator

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
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
	// Packages that are tested at the same time would each compile it.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("%s: %w", lock.Name(), err)
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	// It gets its name when it is complete: a process may be killed before.
	draft := path + "-draft"
	defer func() {
		objects, _ := filepath.Glob(draft + "-*.o")
		for _, o := range objects {
			os.Remove(o)
		}
	}()
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	args := []string{"-o", draft}
	for part := range parts + 1 {
		object := fmt.Sprintf("%s-%d.o", draft, part)
		args = append(args, object)
		all.Go(func() error { return compile(compiler, here, part, object) })
	}
	if err := all.Wait(); err != nil {
		return "", err
	}
	if err := run(compiler, append(args, "-lm")...); err != nil {
		return "", err
	}
	return path, os.Rename(draft, path)
})

// parts of the kernels are compiled at the same time: see kernels.cu.
const parts = 4

// compile compiles a part of the kernels or, as part 0, what runs them. It is C++ without a library: none is needed.
func compile(compiler, here string, part int, object string) error {
	args := []string{"-std=c++17", "-O2", "-Wall", "-fno-exceptions"}
	if runtime.GOARCH == "amd64" {
		args = append(args, "-mf16c") // else a library converts each float16 number
	}
	source := filepath.Join(here, "emulator.cu")
	if part > 0 {
		args, source = append(args, fmt.Sprintf("-DEMULATOR=%d", part)), filepath.Join(here, "..", "src", "kernels.cu")
	}
	return run(compiler, append(args, "-x", "c++", "-c", "-o", object, source)...)
}

func run(compiler string, args ...string) error {
	out, err := exec.Command(compiler, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

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
