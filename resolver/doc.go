// Package resolver turns addresses into the certificates a copy may be encrypted to, and keeps why each other one was
// refused.
//
// Sources are asked in order, and the first that has a usable certificate for an address decides. A source that cannot
// be asked delays the copy: whatever it holds might be newer, or the only right one, so a later source is not asked in
// its place (invariant 2). A source behind the one that decided is not asked at all, so its outage delays nothing.
//
// A certificate is usable if the trust policy says so for encryption and if it belongs to the address: it names it, or
// it names no address at all and either the directory entry it was found in binds it or a listmaster pinned it.
//
// A certificate that has been revoked is refused. One of which nobody answers whether it has been, past the grace that
// the site's policy gives, delays the copy as a source that cannot be asked does.
//
// What directories answered is kept: in the database as they gave it (see [Cache]), and in memory as sealing needs it. A
// member whose kept answer holds a usable certificate costs no question; usability is judged anew each time it is read.
package resolver
