package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// The tests of everything that uses the database run on PostgreSQL, too: those of the store each time, those of the rooms
// above it and of whole servers in the slow run.
func TestTheSuiteOnPostgreSQL(t *testing.T) {
	packages := []string{"./listd/store", "./listd/queue", "./listd/task", "./listd/token"}
	if os.Getenv("SEALIST_SLOW") == "1" {
		packages = append(packages, "./listd", "./listd/admin", "./listd/keyring", "./listd/datasource", "./listd/smtpd")
	} else if testing.Short() {
		t.Skip("starts a cluster")
	}
	p := peer.StartPostgres(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
	cmd := exec.Command("go", append([]string{"test", "-short", "-count=1"}, packages...)...)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), peer.OnPostgres+"="+p.URL("postgres"), "SEALIST_SLOW=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
