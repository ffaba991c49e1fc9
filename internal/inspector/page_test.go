package inspector

import (
	"io/fs"
	"testing"
)

// The page has no build step that would make it smaller.
func TestPageIsSmall(t *testing.T) {
	const most = 120_000
	var size int64
	err := fs.WalkDir(page, ".", func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		size += info.Size()
		return err
	})
	if err != nil || size == 0 || size > most {
		t.Errorf("its files have %d bytes, want at most %d; %v", size, most, err)
	}
}
