//go:build cuda

package cuda

import (
	"embed"
	"fmt"
)

//go:embed ptx/*.ptx
var ptxFiles embed.FS

// readPTX returns the PTX of a module for GPUs from that capability on.
func readPTX(capability int, module string) (string, error) {
	b, err := ptxFiles.ReadFile(fmt.Sprintf("ptx/sm_%d_%s.ptx", capability, module))
	return string(b), err
}
