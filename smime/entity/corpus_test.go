package entity_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sealist/sealist/smime/entity"
)

// TestCorpora reads broken and unusual mail of other projects: each keeps its octets or errors cleanly, within a second.
func TestCorpora(t *testing.T) {
	root := os.Getenv("SEALIST_CORPORA")
	if root == "" {
		t.Skip("SEALIST_CORPORA is not set")
	}
	for _, folder := range []string{"mime4j", "mikel-mail", "stalwart-mail-parser", "bounces-sisimai", "thunderbird", "gini", "mimekit"} {
		t.Run(folder, func(t *testing.T) {
			files, errs := 0, 0
			err := filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				octets, err := os.ReadFile(path)
				if err != nil {
					return err
				}
				files++
				start := time.Now()
				e, err := entity.Parse(octets, entity.DefaultLimits())
				if err == nil {
					checkOctets(t, e)
					err = visit(e)
				}
				if err != nil {
					errs++
					if !errors.Is(err, entity.ErrMalformed) && !errors.Is(err, entity.ErrTooLarge) {
						t.Errorf("%s: %v", path, err)
					}
				}
				if took := time.Since(start); took > second {
					t.Errorf("%s: took %s", path, took)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if files == 0 {
				t.Fatal("no files")
			}
			t.Logf("%d files, %d of them with a clean error", files, errs)
		})
	}
}
