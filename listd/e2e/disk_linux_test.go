package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/sealist/sealist/listd/peer"
)

// A full disk is a temporary failure, and nothing is lost.
func TestAFullDiskIsATemporaryFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a small file system")
	}
	h := newHarbour(t)
	smallDisk(t, h.path("data"))
	h.start()
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 14000)
	taken, full := 0, false
	for ; taken < 10 && !full; taken++ {
		err := h.submit(h.unsigned("<1@x>", body))
		if full = err != nil; full && code(err) != 452 {
			t.Errorf("a full disk: %v, want 452", err)
		}
		if full {
			break
		}
	}
	if !full {
		t.Fatalf("%d MB fit on a disk of 4 MB", taken)
	}
	if h.Ended() {
		t.Error("the server has ended")
	}
	// What was taken is relayed once there is room to note it.
	if err := syscall.Mount("tmpfs", h.path("data"), "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	h.sink.Wait(taken)
	if err := h.submit(h.unsigned("<2@x>", "Room.")); err != nil {
		t.Errorf("with room again: %v", err)
	}
	h.waitState(taken+1, "done")
}

// Below store.min_free mail is put off before anything of it comes in, and taken again once there is a quarter more; what
// was taken goes on meanwhile.
func TestANearlyFullDiskPutsMailOff(t *testing.T) {
	if testing.Short() {
		t.Skip("mounts a small file system")
	}
	h := newHarbour(t)
	octets, err := os.ReadFile(h.path("sealist.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("sealist.yaml", append(octets, "store: { min_free: 16777216 }\n"...))
	smallDisk(t, h.path("data"))
	if err := syscall.Mount("tmpfs", h.path("data"), "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	h.start()
	submitted := 0
	submit := func(want int) {
		t.Helper()
		submitted++
		if err := h.submit(h.unsigned(fmt.Sprintf("<%d@x>", submitted), "Hello.")); code(err) != want {
			t.Errorf("message %d: %v, want %d", submitted, err, want)
		}
	}
	submit(250)
	filler := make([]byte, 50<<20)
	h.write("data/filler", filler)
	submit(452)
	submit(452)
	h.sink.Wait(1)
	h.write("data/filler", filler[:46<<20]) // between the marks
	submit(452)
	h.write("data/filler", filler[:20<<20])
	submit(250)
	h.waitState(2, "done")
	if n := strings.Count(h.Log(), "the disk is nearly full"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// smallDisk puts what a folder holds onto a file system of 4 MB.
func smallDisk(t *testing.T, dir string) {
	t.Helper()
	aside := dir + ".aside"
	if err := errors.Join(os.Rename(dir, aside), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		peer.Absent(t, "cannot mount a small file system: "+err.Error())
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount: %v", err)
		}
	})
	if out, err := exec.Command("cp", "-a", aside+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}
