package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

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
			"the next start takes it up.",
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
	log := newLog(errOut, c.Log)
	for _, w := range warnings {
		log.Warn("configuration", "file", w.File, "line", w.Line, "key", w.Key, "what", w.What, "remedy", w.Remedy)
	}
	server, err := listd.Open(ctx, c, listd.Options{Log: log})
	if err != nil {
		return err
	}
	defer server.Close()
	defer ignoreHangup(log)()
	return server.Run(ctx)
}

// ignoreHangup keeps SIGHUP from ending the server in the middle of something,
// until the returned function is called.
//
// Interim: the configuration is read at the start only.
func ignoreHangup(log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case <-hangups:
				log.Warn("SIGHUP is ignored; restart the server to have it read its configuration anew")
			case <-done:
				return
			}
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(done)
	}
}

// newLog makes the log as it is configured.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	level := map[string]slog.Level{"debug": slog.LevelDebug, "warn": slog.LevelWarn, "error": slog.LevelError}[c.Level]
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
