package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sealist/sealist/listd"
	"github.com/sealist/sealist/listd/admin"
)

func versionCommand(g *globals) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "print the version", Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		v := struct {
			Version  string `json:"version"`
			Revision string `json:"revision,omitempty"` // of the sources
			Go       string `json:"go"`
		}{listd.Version, revision(), runtime.Version()}
		if g.json {
			return admin.WriteJSON(c.OutOrStdout(), v)
		}
		words := slices.DeleteFunc([]string{"listd", v.Version, v.Revision, v.Go}, func(w string) bool { return w == "" })
		_, err := fmt.Fprintln(c.OutOrStdout(), strings.Join(words, " "))
		return err
	}}
}

// revision is what the compiler noted of the sources it was given.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return ""
}
