package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/config"
	"github.com/sealist/sealist/listd"
)

func serveCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "run the server until it is told to stop",
		Long: "Runs the server in the foreground and writes its log to standard error.\n" +
			"SIGTERM stops it in order: what is under way is finished or put down where\n" +
			"the next start takes it up; a second one ends it at once, and nothing is\n" +
			"lost by that either. SIGHUP makes it read its configuration anew, whole or\n" +
			"not at all: the log says what came of it.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), c.ErrOrStderr(), g) },
	}
}

// serve runs the server until ctx ends.
func serve(ctx context.Context, errOut io.Writer, g *globals) error {
	c, warnings, err := config.Load(g.config)
	if err != nil {
		return loadError(err, g)
	}
	level := &slog.LevelVar{}
	level.Set(levels[c.Log.Level])
	log := newLog(errOut, c.Log.Format, level)
	tell(log, slog.LevelWarn, warnings)
	manager := newSystemd(log)
	server, err := listd.Open(ctx, c, listd.Options{Log: log, Ready: func(urls []string) {
		manager.ready("taking mail at " + strings.Join(urls, ", "))
	}})
	if err != nil {
		return err
	}
	defer server.Close()

	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	beside, end := context.WithCancel(context.WithoutCancel(ctx)) // until Run returns
	defer end()
	go manager.watch(beside, server.Alive)
	go reloads(ctx, hangups, func() {
		manager.reloading()
		manager.ready(reload(ctx, server, log, level, g.config))
	})
	defer context.AfterFunc(ctx, manager.stopping)()
	return server.Run(ctx)
}

// reloads calls reload for every signal until ctx ends.
func reloads(ctx context.Context, signals <-chan os.Signal, reload func()) {
	for {
		select {
		case <-signals:
			reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the configuration anew and has the server work by it, or leaves
// everything as it was, and says which in one line.
func reload(ctx context.Context, server *listd.Sealist, log *slog.Logger, level *slog.LevelVar, path string) (status string) {
	c, warnings, err := config.Load(path)
	tell(log, slog.LevelWarn, warnings)
	if err == nil {
		err = server.Reload(ctx, c)
	}
	var mistakes *config.Errors
	switch {
	case err == nil:
		level.Set(levels[c.Log.Level])
		log.Info("the configuration was read anew and is in force", "file", path)
		return "works by the configuration that was read anew"
	case errors.As(err, &mistakes):
		tell(log, slog.LevelError, mistakes.Mistakes)
		log.Error("the new configuration is not taken up, nothing has changed", "file", path, "mistakes", len(mistakes.Mistakes))
	default:
		log.Error("the new configuration is not taken up, nothing has changed", "file", path, "err", err)
	}
	return "works by the configuration of before: the new one has mistakes, see the log"
}

// tell logs what is to be said about a configuration.
func tell(log *slog.Logger, level slog.Level, findings []config.Finding) {
	for _, f := range findings {
		log.Log(context.Background(), level, "configuration", "file", f.File, "line", f.Line, "key", f.Key, "what", f.What, "remedy", f.Remedy)
	}
}

// levels are the words of log.level.
var levels = map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}

// newLog makes the log in its format. What is in a value never ends a line, and
// nothing in it reaches a terminal that it obeys, or that turns text around.
func newLog(w io.Writer, format string, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.New(slog.NewJSONHandler(plain{w}, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// plain writes lines of JSON with everything escaped that does not print: the
// handler escapes what JSON wants escaped, and lets C1 controls, DEL and
// bidirectional controls through. In JSON they stand in strings only.
type plain struct{ io.Writer }

func (w plain) Write(line []byte) (int, error) {
	text, newline := bytes.CutSuffix(line, []byte("\n"))
	if !bytes.ContainsFunc(text, unprintable) {
		return w.Writer.Write(line)
	}
	var out []byte
	for _, r := range string(text) {
		if !unprintable(r) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, r) {
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	if newline {
		out = append(out, '\n')
	}
	_, err := w.Writer.Write(out)
	return len(line), err
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
