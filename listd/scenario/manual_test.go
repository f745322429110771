package scenario_test

import (
	"os"
	"regexp"
	"testing"
)

// The scenarios in the manual are right, and make nobody stumble.
func TestScenariosOfTheManualPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/scenarios.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```scenario\n(.*?)```").FindAllSubmatch(page, -1)
	if len(blocks) < 5 {
		t.Fatalf("%d scenarios", len(blocks))
	}
	for _, b := range blocks {
		if err := written(t, string(b[1])).Err(); err != nil {
			t.Errorf("%s%v", b[1], err)
		}
	}
}
