package files

import "golang.org/x/sys/windows"

// free is the number of bytes that this user may still write in dir.
func free(dir string) (int64, error) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, err
	}
	var n uint64
	err = windows.GetDiskFreeSpaceEx(name, &n, nil, nil)
	return int64(min(n, 1<<62)), err
}
