package sweep

import (
	"os"
	"testing"
)

// TestDocuments checks that the tables of documents are those of the results that
// they name.
func TestDocuments(t *testing.T) {
	const dir = "../../docs"
	doc, err := os.ReadFile(dir + "/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Update(doc, dir)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(doc) {
		t.Error("docs/performance.md is not as 'qgo bench grade --into docs/performance.md' writes it")
	}
}
