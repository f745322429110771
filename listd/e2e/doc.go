// Package e2e holds the tests that cover whole paths: the two programs as an administrator runs them, between real mail
// servers and a real directory, judged by other programs than Sealist. It also keeps the table of import arrows.
package e2e
