//go:build cuda && !(linux && (amd64 || arm64))

package driver

import _ "embed"

// There is no such file: the pattern is what the failed build says.
//
//go:embed "the build tag cuda is for Linux on amd64 and arm64: build without it"
var _ string
