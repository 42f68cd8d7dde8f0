package driver

import "strings"

// ForHopper returns PTX with what GPUs of compute capability 9.0 have beyond those of 8.0, and the names of
// its kernels that may begin before the launch in front of them has ended. In a module for 8.0 such
// instructions stand as comments that begin with sm_90, so that one text serves all GPUs; a kernel that
// waits for the launch in front is one that may begin early. Modules without any stay as they are; one for all
// GPUs may have some, too.
func ForHopper(ptx string) (text string, early map[string]bool) {
	const comment, wait, entry = "//sm_90 ", "//sm_90 griddepcontrol.wait;", ".entry "
	if !strings.Contains(ptx, comment) {
		return ptx, nil
	}
	early = map[string]bool{}
	for _, k := range strings.Split(ptx, entry)[1:] {
		name, body, _ := strings.Cut(k, "(")
		if strings.Contains(body, wait) {
			early[name] = true
		}
	}
	return strings.NewReplacer(".version 6.0\n", ".version 8.0\n", ".version 7.0\n", ".version 8.0\n", ".target sm_53\n", ".target sm_90\n", ".target sm_80\n", ".target sm_90\n", comment, "").Replace(ptx), early
}
