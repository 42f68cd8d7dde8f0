package hub

import (
	"encoding/json"

	"qgo/model/files"
)

// state is what is known of an unfinished download. It stands beside the
// file, so that a later run continues.
type state struct {
	Name   string  `json:"name,omitempty"` // of the model
	SHA256 string  `json:"sha256"`
	ETag   string  `json:"etag,omitempty"`
	Size   int64   `json:"size"`
	Chunk  int64   `json:"chunk"`
	Done   []int64 `json:"done"` // bytes of each chunk, from its start
}

// readState reads the state of an unfinished download; false if it has none
// that makes sense.
func readState(path string) (s state, ok bool) {
	const limit = 8 << 20
	b, err := files.Read(path, limit)
	if err != nil || json.Unmarshal(b, &s) != nil {
		return state{}, false
	}
	if s.Size <= 0 || s.Size > maxSize || s.Chunk <= 0 || int64(len(s.Done)) != chunks(s.Size, s.Chunk) {
		return state{}, false
	}
	for i, n := range s.Done {
		if n < 0 || n > s.length(i) {
			return state{}, false
		}
	}
	return s, true
}

// chunks is the number of chunks of a file.
func chunks(size, chunk int64) int64 { return (size-1)/chunk + 1 }

// length is the number of bytes in chunk i.
func (s *state) length(i int) int64 { return min(s.Chunk, s.Size-int64(i)*s.Chunk) }

// sum is the number of bytes that are there.
func (s *state) sum() (n int64) {
	for _, k := range s.Done {
		n += k
	}
	return n
}
