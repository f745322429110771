// Package command reads commands that come by mail, in the words that Sympa's subscribers know, and carries them out through
// listd/admin.
//
// A command is a line of the main text. What nobody wrote for this place is never read: HTML, attachments, forwarded
// messages, what stands behind a signature delimiter, and the legacy display of protected fields. Only ASCII letters fold
// case, so that no letter which merely looks like another makes a command.
package command
