package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// A disk that turned read-only, as a failing one does, is a temporary failure. Once it is mended and the server started
// anew, what was taken before goes on.
func TestAReadOnlyDiskIsATemporaryFailure(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a file system")
	}
	h := newHarbour(t)
	disk := failingDisk(t, h.path("data"), h.path("disk"))
	h.start()
	h.sink.Stop()
	waiting, refused := h.unsigned("<1@x>", "Before."), h.unsigned("<2@x>", "Patience.")
	if err := h.submit(waiting); err != nil {
		t.Fatal(err)
	}
	disk.fail()
	if err := h.submit(refused); code(err) != 451 {
		t.Errorf("read-only: %v, want 451", err)
	}
	if h.Ended() {
		t.Error("the server has ended")
	}
	h.Stop()
	disk.mend()
	h.sink.Start()
	h.start()
	if err := h.submit(refused); err != nil {
		t.Errorf("mended: %v", err)
	}
	h.sink.Wait(2)
	if posts := h.waitState(2, "done"); len(h.sink.Mails()) != 2 {
		t.Errorf("%d copies of %d posts", len(h.sink.Mails()), len(posts))
	}
}

// disk is a file system in a file.
type disk struct {
	t          *testing.T
	dir, image string
	trigger    string // the kernel's, by which the file system takes an error for granted
}

// failingDisk puts what a folder holds onto an ext4 file system in a file, which turns read-only at its first error.
func failingDisk(t *testing.T, dir, image string) *disk {
	t.Helper()
	d := &disk{t: t, dir: dir, image: image}
	if os.Geteuid() != 0 {
		peer.Absent(t, "not root: cannot mount a file system")
	}
	mkfs := peer.Program(t, "mkfs.ext4")
	if err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, 32<<20)); err != nil {
		t.Fatal(err)
	}
	d.run(mkfs, "-q", image)
	aside := dir + ".aside"
	if err := errors.Join(os.Rename(dir, aside), os.Mkdir(dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-o", "loop,errors=remount-ro", image, dir).CombinedOutput(); err != nil {
		t.Skipf("this machine mounts no file system in a file: %v: %s", err, out) // as a container without loop devices
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	source, err := exec.Command("findmnt", "-no", "SOURCE", dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	d.trigger = "/sys/fs/ext4/" + filepath.Base(strings.TrimSpace(string(source))) + "/trigger_fs_error"
	if file, err := os.OpenFile(d.trigger, os.O_WRONLY, 0); err != nil {
		t.Skipf("a file system cannot be made to fail here: %v", err)
	} else {
		file.Close()
	}
	d.run("cp", "-a", aside+"/.", dir)
	d.run("sync", "-f", dir)
	return d
}

// fail makes the file system find itself broken.
func (d *disk) fail() {
	d.t.Helper()
	if err := os.WriteFile(d.trigger, []byte("1"), 0); err != nil {
		d.t.Fatal(err)
	}
}

// mend checks the file system and mounts it anew. Nobody may use it.
func (d *disk) mend() {
	d.t.Helper()
	d.run("umount", d.dir)
	if out, err := exec.Command(peer.Program(d.t, "fsck.ext4"), "-fy", d.image).CombinedOutput(); err != nil {
		d.t.Logf("fsck: %v: %s", err, out) // exit 1: what was wrong is corrected
	}
	d.run("mount", "-o", "loop", d.image, d.dir)
}

func (d *disk) run(program string, arguments ...string) {
	d.t.Helper()
	if out, err := exec.Command(program, arguments...).CombinedOutput(); err != nil {
		d.t.Fatalf("%s: %v: %s", program, err, out)
	}
}
