// Package config holds Sealist's configuration: the types of sealist.yaml, the
// one function that reads it (Load), the rules it has to meet (Validate) and
// the reference that is made from the types' own comments (Reference).
//
// The values are plain: nothing here opens a listener, a database or a
// directory. Everything that is wrong with a file is reported in one go, each
// mistake with its line, its key, what is the matter and what to do.
//
// # How a value is found
//
// The file counts first, then every scalar outside a list can be overridden by
// an environment variable: SEALIST_ and the key in capitals with an underscore
// for each step, as SEALIST_RELAY_ADDRESS for relay.address. What neither
// names has the value of Default.
package config
