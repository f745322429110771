package api

import (
	"io"
	"net/http"

	"github.com/sealist/sealist/listd/admin"
)

// DirectoryTest is the body that asks directories about an address.
type DirectoryTest struct {
	Name    string `json:"name,omitempty"`    // of the directory; empty: all
	Address string `json:"address,omitempty"` // empty: one that should not be there
}

func servers() []route {
	return []route{
		act(http.MethodPost, "/directories/test", admin.ScopeServer, "Ask directories, and tell how it went (directory test)", func(c *call, t DirectoryTest) ([]admin.DirectoryTest, error) {
			return c.TestDirectories(c.Context(), t.Name, t.Address)
		}),
		octets("/messages/inspect", admin.ScopeServer, "What the layers of a message are (message inspect)", mediaMessage, maxMessage, func(c *call, body io.Reader) (admin.MessageReport, error) {
			message, err := io.ReadAll(body)
			if err != nil {
				return admin.MessageReport{}, err
			}
			return c.Inspect(message, c.text("rcpt"), c.text("at"))
		}, "rcpt", "at"),
		get("/scenarios", "What a list may choose from (scenario ls)", func(c *call) ([]admin.ScenarioDetails, error) {
			return c.Scenarios(c.Context(), c.text("function"), c.text("list"))
		}, "function", "list"),
		get("/scenarios/{name}", "One scenario with its text (scenario show)", func(c *call) (admin.ScenarioDetails, error) {
			return c.Scenario(c.Context(), c.PathValue("name"), c.text("list"))
		}, "list"),
		get("/tasks", "What is done from time to time (task ls)", func(c *call) ([]admin.Task, error) { return c.Tasks(c.Context()) }),
		act(http.MethodPost, "/tasks/{name}/run", admin.ScopeServer, "Do one of them now (task run)", func(c *call, _ none) (admin.TaskRun, error) {
			return c.RunTask(c.Context(), c.PathValue("name"))
		}),
		get("/nodes", "The servers on this database (node ls)", func(c *call) ([]admin.Node, error) { return c.Nodes(c.Context()) }),
	}
}
