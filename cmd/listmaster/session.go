package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/user"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/admin"
)

// session is what a command on the database works with.
type session struct {
	*admin.Admin
	config *config.Config
	parts  *listd.Sealist
}

// withSession opens everything, acts, and closes everything.
func withSession(c *cobra.Command, g *globals, act func(ctx context.Context, s *session) error) error {
	ctx := c.Context()
	settings, actor, err := configured(g)
	if err != nil {
		return err
	}
	log := slog.New(slog.DiscardHandler)
	if g.verbose {
		log = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	parts, err := listd.Open(ctx, settings, listd.Options{Log: log})
	if err != nil {
		return err
	}
	defer parts.Close()
	p := admin.Parts{
		Store: parts.Store, Keyring: parts.Keyring, Resolver: parts.Resolver, Trust: parts.Judge, Anchored: parts.Anchored(), RSAMinBits: settings.Trust.Algorithms.RSAMinBits, Includes: parts.Includes,
		Caching: admin.Caching{Positive: time.Duration(settings.Resolver.PositiveTTL), Negative: time.Duration(settings.Resolver.NegativeTTL)},
		Domains: settings.Domains, Robot: settings.Robot, Actor: actor, Log: log,
	}
	p.Scenarios, p.Facts, p.ReadMessage = parts.Scenarios, parts.Facts(), listd.ReadMessage
	p.Tokens, p.Notices = parts.Tokens, parts.Notices
	p.Fetcher, p.Graces = parts.Revocation, parts.Graces()
	p.Scheduler = parts.Tasks(fmt.Sprintf("%s, process %d", actor, os.Getpid()))
	for _, d := range parts.Directories {
		p.Directories = append(p.Directories, d)
	}
	return act(ctx, &session{Admin: admin.New(p), config: settings, parts: parts})
}

// configured reads the configuration and becomes the server's user, and says who acts.
func configured(g *globals) (settings *config.Config, actor string, err error) {
	settings, _, err = config.Load(g.config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", &admin.Error{Kind: admin.Environment, What: err.Error(), Err: err,
			Hint: "`listd config init --config " + g.config + "` writes one; --config names another"}
	}
	if err != nil {
		return nil, "", err
	}
	return settings, "listmaster (user " + whoami() + ")", becomeOwner(settings.DataDir)
}

// whoami names the person at the terminal: who called sudo, else the user.
func whoami() string {
	if name := os.Getenv("SUDO_USER"); name != "" && os.Geteuid() == 0 {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return fmt.Sprint(os.Getuid())
}

// becomeOwner gives up being root for the user who owns the data folder: files
// that listmaster makes belong to the server then, and a mistake in it harms
// nothing else. Whoever is not root stays who he is; so does root where the
// folder is his own or is not there yet.
func becomeOwner(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	owner, known := info.Sys().(*syscall.Stat_t)
	if !known || owner.Uid == 0 {
		return nil
	}
	for _, step := range []func() error{
		func() error { return syscall.Setgroups([]int{int(owner.Gid)}) },
		func() error { return syscall.Setgid(int(owner.Gid)) },
		func() error { return syscall.Setuid(int(owner.Uid)) },
	} {
		if err := step(); err != nil {
			return fmt.Errorf("becoming the owner of %s: %w", folder, err)
		}
	}
	return nil
}
