package peer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// StartNginx starts nginx with what would be a file of its conf.d: upstreams and servers. It answers once something
// listens on the addresses, host:port.
func StartNginx(tb testing.TB, conf string, addresses ...string) *Process {
	tb.Helper()
	nginx, dir := Program(tb, "nginx"), Folder(tb)
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // of the test's sockets and files
	}
	main := fmt.Sprintf(`daemon off; %s worker_processes 1; pid %s/nginx.pid; error_log stderr info;
events { worker_connections 64; }
http {
	access_log %[2]s/access.log;
	client_body_temp_path %[2]s/body; proxy_temp_path %[2]s/proxy; fastcgi_temp_path %[2]s/fastcgi; uwsgi_temp_path %[2]s/uwsgi; scgi_temp_path %[2]s/scgi;
	%[3]s
}
`, user, dir, conf)
	file := write(tb, dir, "nginx.conf", []byte(main))
	p := StartProcess(tb, filepath.Join(dir, "nginx.log"), exec.Command(nginx, "-p", dir, "-c", file, "-e", "stderr"))
	for _, address := range addresses {
		Until(tb, "nginx", func() error {
			if err := p.alive(); err != nil {
				return err
			}
			return answers(address)
		})
	}
	return p
}
