package peer

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Journey is what became of one journey of a browser: its name, and what went wrong, empty if nothing did.
type Journey struct {
	Name  string   `json:"name"`
	Error string   `json:"error"`
	Notes []string `json:"notes"` // figures, for the log
}

// Browse runs a script of journeys, a JavaScript module, with Node.js, and returns what it prints: a Journey a line. The
// script drives Chromium through playwright-core, and has axe-core. Its only argument is given, as JSON, with the field
// "chromium" for the browser's path and "modules" for the folder of the two packages, from which it may require.
func Browse(tb testing.TB, script string, given map[string]any) []Journey {
	tb.Helper()
	given["chromium"], given["modules"] = Program(tb, "chromium"), nodeModules(tb)+"/"
	argument, err := json.Marshal(given)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(Program(tb, "node"), script, string(argument))
	cmd.Env = append(os.Environ(), "HOME="+Folder(tb))
	log := filepath.Join(Folder(tb), "journeys.log")
	p := StartProcess(tb, log, cmd)
	<-p.Done()
	if code := p.ExitCode(); code != 0 {
		tb.Fatalf("%s: exit %d", filepath.Base(script), code)
	}
	file, err := os.Open(log)
	if err != nil {
		tb.Fatal(err)
	}
	defer file.Close()
	var journeys []Journey
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var j Journey
		if json.Unmarshal(lines.Bytes(), &j) == nil && j.Name != "" {
			journeys = append(journeys, j)
		}
	}
	return journeys
}

// nodeModules is the folder into which .ci/packages has put playwright-core and axe-core, outside of the checkout.
func nodeModules(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		Absent(tb, err.Error())
	}
	modules := filepath.Join(cache, "sealist", "browser", "node_modules")
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join(modules, name)); err != nil {
			Absent(tb, fmt.Sprintf("%s is not installed: .ci/packages does it, by npm", name))
		}
	}
	return modules
}
