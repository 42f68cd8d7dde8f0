//go:build cuda

package cuda

import "embed"

//go:embed ptx/*.ptx
var ptxFiles embed.FS

// readPTX returns the PTX of a module.
func readPTX(module string) (string, error) {
	b, err := ptxFiles.ReadFile("ptx/sm_53_" + module + ".ptx")
	return string(b), err
}
