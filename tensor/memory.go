package tensor

// Limit is how many more bytes of memory the program can take, and what does
// not let it have more.
type Limit struct {
	Bytes  int64
	Source string // one of the Source constants
}

// What limits memory, in the words of a message to the user.
const (
	SourceFree      = "free memory"
	SourceContainer = "the container's limit"
	SourceAddresses = "ulimit -v"
)

// Available returns the number of bytes of [Memory].
func Available() (int64, bool) {
	l, known := Memory()
	return l.Bytes, known
}
