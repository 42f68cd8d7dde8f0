//go:build !arm64

package panel

// signs turns four codes of Q8_0 from signed into unsigned bytes: VPDPBUSD
// multiplies those by signed ones.
const signs = 0x80808080
