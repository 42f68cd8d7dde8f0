package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"regexp"

	"qgo/model/files"
)

var isSHA256 = regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString

// HashFile returns the SHA-256 of a file, in hexadecimal digits, and its size.
func HashFile(ctx context.Context, path string) (sum string, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return "", 0, files.Explain(path, err)
	}
	defer file.Close()
	h := sha256.New()
	const piece = 8 << 20 // so that ctx can end it
	for {
		n, err := io.CopyN(h, file, piece)
		size += n
		switch {
		case err == io.EOF:
			return hex.EncodeToString(h.Sum(nil)), size, nil
		case err != nil:
			return "", 0, files.Explain(path, err)
		case ctx.Err() != nil:
			return "", 0, ctx.Err()
		}
	}
}
