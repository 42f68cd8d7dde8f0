//go:build cuda && linux && (amd64 || arm64) && !cgo

package driver

import _ "embed"

// There is no such file: the pattern is what the failed build says.
//
//go:embed "the build tag cuda needs cgo: set CGO_ENABLED=1, and CC to a C compiler for the target"
var _ string
