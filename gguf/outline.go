package gguf

// Outline returns the file that a header begins, without the tensors' data:
// enough to survey a model, not to run it.
func (h *Header) Outline(name string) (*File, error) {
	size, err := h.Size()
	if err != nil {
		return nil, err
	}
	f := &File{
		Name: name, Version: maxVersion, BigEndian: h.BigEndian, Alignment: defaultAlignment,
		Meta: h.Meta, Tensors: h.Tensors,
		size: size, outline: true, keys: map[string]int{}, tensors: map[string]int{},
	}
	for i, kv := range h.Meta {
		f.keys[kv.Key] = i
	}
	for i := range h.Tensors {
		f.tensors[h.Tensors[i].Name] = i
	}
	return f, nil
}

// IsOutline reports whether f has no tensor data; see [Header.Outline].
func (f *File) IsOutline() bool { return f.outline }
