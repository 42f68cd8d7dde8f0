package panel

// signs is what the codes of Q8_0 are stored with, four at a time: arm64
// multiplies signed by signed bytes.
const signs = 0
