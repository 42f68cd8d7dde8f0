package driver

import "strings"

// Early returns PTX whose kernels may begin before the launch in front of them in a graph has ended,
// and their names. It is that of a module for compute capability 8.0 in which instructions of 9.0 stand
// as comments, so that one text serves all GPUs; a kernel that waits for the launch in front is one that
// may begin early. Other modules stay as they are.
func Early(ptx string) (text string, names map[string]bool) {
	const comment, wait, entry = "// griddepcontrol.", "// griddepcontrol.wait;", ".entry "
	kernels := strings.Split(ptx, entry)
	for _, k := range kernels[1:] {
		name, body, _ := strings.Cut(k, "(")
		if strings.Contains(body, wait) {
			if names == nil {
				names = map[string]bool{}
			}
			names[name] = true
		}
	}
	if names == nil {
		return ptx, nil
	}
	return strings.NewReplacer(".version 7.0\n", ".version 7.8\n", ".target sm_80\n", ".target sm_90\n", comment, comment[3:]).Replace(ptx), names
}
