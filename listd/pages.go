package listd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd/admin"
	"github.com/sealist/sealist/listd/list"
	"github.com/sealist/sealist/listd/web"
)

// How the pages' listeners bound their clients.
const (
	pageHeaders = 64 << 10 // a proxy writes a whole certificate into one
	pageRead    = 30 * time.Second
	pageWrite   = time.Minute
	pageIdle    = time.Minute
	pageLeave   = 5 * time.Second // that requests in hand get when the server stops
)

// face is the pages of one configuration; nil where there are none.
type face struct {
	handler, behindSocket http.Handler
	tls, loginTLS         *tls.Config
}

// face makes the pages that the configuration wants.
func (s *Sealist) face() (*face, error) {
	c := s.Config.Web
	if c.Listen == "" {
		return nil, nil
	}
	p := web.Parts{
		Admin: admin.New(s.useCases()), Session: time.Duration(c.Session), Lang: list.Language(s.Config.Lang),
		Clock: s.o.Clock, Log: s.log.With("room", "web"),
	}
	var err error
	if p.BaseURL, err = url.Parse(c.BaseURL); err != nil {
		return nil, fmt.Errorf("web.base_url: %w", err)
	}
	if c.Login.URL != "" {
		if p.LoginURL, err = url.Parse(c.Login.URL); err != nil {
			return nil, fmt.Errorf("web.login.url: %w", err)
		}
	}
	for _, text := range c.TrustedProxies {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("web.trusted_proxies: %w", err)
		}
		p.TrustedProxies = append(p.TrustedProxies, network)
	}
	if c.ProxySecretFile != "" {
		secret, err := config.ReadSecretFile(c.ProxySecretFile)
		if err != nil {
			return nil, fmt.Errorf("reading web.proxy_secret_file: %w", err)
		}
		p.ProxySecret = string(secret.Reveal())
	}
	pages, err := web.New(p)
	if err != nil {
		return nil, err
	}
	api := s.withAPI(pages, p.BaseURL.Host)
	f := &face{handler: api(pages.Handler(false)), behindSocket: api(pages.Handler(true))}
	if f.tls, err = serverTLS(c.TLS.Cert, c.TLS.Key); err != nil {
		return nil, fmt.Errorf("reading web.tls: %w", err)
	}
	if f.loginTLS, err = serverTLS(c.Login.TLS.Cert, c.Login.TLS.Key); err != nil {
		return nil, fmt.Errorf("reading web.login.tls: %w", err)
	}
	if f.loginTLS == nil && f.tls != nil {
		f.loginTLS = f.tls.Clone()
	}
	if f.loginTLS != nil {
		// The standard library would refuse certificates that are for e-mail only; they
		// are judged by the pages. Without tickets each login shows its certificate, and
		// over HTTP/1.1 a connection is one client's.
		f.loginTLS.ClientAuth, f.loginTLS.SessionTicketsDisabled = tls.RequestClientCert, true
	}
	return f, nil
}

// openPages listens and serves until the returned stop is called. Which pages
// those are the generation says that is at work then.
func (s *Sealist) openPages(fail func(error)) (stop func(), err error) {
	c := s.Config.Web
	var servers []*http.Server
	stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), pageLeave)
		defer cancel()
		for _, server := range servers {
			if err := server.Shutdown(ctx); err != nil {
				s.log.Warn("visitors of the pages were cut off", "err", err)
			}
		}
	}
	open := func(address string, handler func(*face) http.Handler, secured func(*face) *tls.Config) error {
		if address == "" {
			return nil
		}
		l, socket, err := pageListener(address)
		if err != nil {
			return fmt.Errorf("listening on %s: %w", address, err)
		}
		server := &http.Server{
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				f := s.now.Load().face
				if socket {
					f.behindSocket.ServeHTTP(w, r)
					return
				}
				handler(f).ServeHTTP(w, r)
			}),
			ReadHeaderTimeout: pageRead, ReadTimeout: pageRead, WriteTimeout: pageWrite, IdleTimeout: pageIdle, MaxHeaderBytes: pageHeaders,
			ErrorLog:     slog.NewLogLogger(s.log.With("room", "web").Handler(), slog.LevelDebug),
			TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 alone
		}
		if secured(s.now.Load().face) != nil {
			l = tls.NewListener(l, &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return secured(s.now.Load().face), nil
			}})
		}
		servers = append(servers, server)
		s.log.Info("pages", "listen", l.Addr().String())
		go func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				fail(fmt.Errorf("pages on %s: %w", address, err))
			}
		}()
		return nil
	}
	err = open(c.Listen, func(f *face) http.Handler { return f.handler }, func(f *face) *tls.Config { return f.tls })
	if err == nil {
		err = open(c.Login.Listen, func(f *face) http.Handler { return f.handler }, func(f *face) *tls.Config { return f.loginTLS })
	}
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// pageListener opens host:port or unix:/path. Who may enter the socket's folder
// is believed what he says of certificates: only the proxy may.
func pageListener(address string) (l net.Listener, socket bool, err error) {
	path, socket := strings.CutPrefix(address, "unix:")
	if !socket {
		l, err = net.Listen("tcp", address)
		return l, false, err
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if err := os.Remove(path); err != nil {
			return nil, true, err
		}
	}
	if l, err = net.Listen("unix", path); err != nil {
		return nil, true, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, true, errors.Join(err, l.Close())
	}
	return l, true, nil
}

// oneClick makes the link with which a member leaves a list (RFC 8058 wants
// https); nil where there are no pages.
func (s *Sealist) oneClick() func(token string) string {
	base, err := url.Parse(s.Config.Web.BaseURL)
	if s.Config.Web.Listen == "" || err != nil || base.Scheme != "https" {
		return nil
	}
	return func(token string) string { return base.JoinPath("/unsubscribe/", token).String() }
}
