package main

// What an SM of sm_53 has room for (CUDA C++ Programming Guide 11.8, table
// "Technical Specifications per Compute Capability").
const (
	warpThreads  = 32
	smWarps      = 64
	smBlocks     = 32
	smRegisters  = 64 << 10
	smShared     = 64 << 10
	blockRegs    = 32 << 10 // of a block: half of what other Maxwells allow
	blockShared  = 48 << 10
	warpUnit     = 256 // registers that a warp's are rounded up to
	sharedUnit   = 256 // bytes that a block's are rounded up to
	fourthsWarps = 4   // the SM's schedulers: a warp's registers are in the file of one
)

// warps returns how many warps of a kernel an SM holds: none if a block of it
// is too large to be launched.
func (k *kernel) warps() int {
	ofBlock := (k.threads + warpThreads - 1) / warpThreads
	ofWarp := roundUp(k.registers*warpThreads, warpUnit)
	if ofWarp*ofBlock > blockRegs || k.shared > blockShared {
		return 0
	}
	byRegisters := smRegisters / fourthsWarps / ofWarp * fourthsWarps / ofBlock
	blocks := min(smBlocks, smWarps/ofBlock, byRegisters)
	if k.shared > 0 {
		blocks = min(blocks, smShared/roundUp(k.shared, sharedUnit))
	}
	return blocks * ofBlock
}

func roundUp(n, unit int) int { return (n + unit - 1) / unit * unit }
