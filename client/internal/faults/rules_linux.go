package faults

import (
	"slices"

	"example/tcpladder/shared/echotest"
)

// passing reports whether the error only means: not this time. Then not even
// the client whose call it was may notice.
func (f fault) passing() bool { return f.errno == "EINTR" || f.errno == "EAGAIN" }

// mayEnd reports whether the server may end: the listener or the place where it
// sleeps is broken for good.
func (f fault) mayEnd(s Subject) bool {
	switch f.call.role {
	case accepting:
		return slices.Contains([]string{"EBADF", "EINVAL", "ENOTSOCK", "EFAULT"}, f.errno)
	case waiting:
		return f.errno != "EINTR" && !(s.SleepsOnENOMEM && f.errno == "ENOMEM")
	}
	return false
}

// A reading is what a kind of problem usually means.
type reading struct{ want, cause string }

// readings has them by kind and, where that matters, by what the call is for.
var readings = map[kind]map[role]reading{
	died: {
		accepting: {"the server goes on: it serves its clients, and accepts the next one",
			"an error of accept that nobody catches, or that is taken for the end of the listener. Most concern one client, which is gone, or pass by themselves: accept the next, or pause for a moment"},
		serving: {"the server goes on; it may drop the client whose call failed",
			"an error of one client's read or write that ends the whole server: catch it, close that client, serve the others"},
		waiting: {"the server goes on waiting",
			"EINTR only means that a signal interrupted the wait: wait again (after ENOMEM, pause for a moment first)"},
		registering: {"the server goes on; it may drop the client that could not be registered",
			"an error of epoll_ctl about one client that ends the whole server: close that client, serve the others"},
		closing: {"the server goes on: nothing can be done about an error of close",
			"an error of close that ends the server, or leaves the loop by an exception"},
	},
	badEnd: {accepting: {"the server goes on, or ends with status 1 and one line that says why",
		"a trace or a crash instead of a message for the operator, or an end that looks like success"}},
	spins: {
		accepting: {"no CPU used while there is nothing to do",
			"accept is tried again at once, or a wait has a time limit of 0 until it succeeds: leave the listener alone for a moment"},
		serving: {"no CPU used while there is nothing to do",
			"the client whose call failed is neither dropped nor waited for: its call is tried again and again"},
		waiting: {"no CPU used while there is nothing to do", "the wait fails, and is tried again at once"},
		registering: {"no CPU used while there is nothing to do",
			"a descriptor is reported ready and nobody serves it, because epoll_ctl did not do what was asked"},
		closing: {"no CPU used while there is nothing to do",
			"the descriptor is still open, and still in the set or registered: it is reported ready, and nobody knows it. Take it out of the set (EPOLL_CTL_DEL), at the latest when it is reported"},
	},
	lost: {accepting: {"every other client gets all its bytes",
		"one failed call keeps the server from serving the others: it leaves the loop too early, waits where it must not, or drops them all"}},
	own: {accepting: {"the same client gets all its bytes: EINTR and EAGAIN only say that the call did nothing this time",
		"EINTR or EAGAIN taken for an error, for the end of the input, or for success: make the call again (EAGAIN: when the descriptor is ready)"}},
	hole: {accepting: {"all bytes in order, or no more of them",
		"a failed write is taken for a successful one: drop the client, or send the same bytes again"}},
	hangs: {accepting: {"the client is served, or its connection ends",
		"the error is ignored, or ends what served this client without closing its descriptor"}},
	unserved: {accepting: {"the client that waits is accepted by a later call",
		"after the error the listener is not asked again: its interest stays off, or the thread that accepts has ended"}},
	again: {accepting: {"close is called once",
		"close is called again after an error, or by two owners. Linux frees the number first, whatever it returns: the second call closes another client's descriptor, see close(2)"}},
	stuck: {
		accepting: {"a new client is served as soon as calls stop failing",
			"after the error the listener is not asked again: its interest stays off, or the thread that accepts has ended"},
		serving: {"a new client is served as soon as calls stop failing",
			"what was stopped because of one client's error is never resumed"},
		waiting: {"a new client is served as soon as calls stop failing",
			"the thread that waits and accepts has ended, and the process goes on without it: a server nobody can reach"},
	},
	stops: {accepting: {"SIGTERM ends the server, and a rung with status 0",
		"something blocks or ends the path from the signal to exit status 0"}},
}

// failure tells a problem as the checks do.
func (p *problem) failure() *echotest.Failure {
	byRole := readings[p.kind]
	r, found := byRole[p.fault.call.role]
	if !found {
		r = byRole[accepting]
	}
	return &echotest.Failure{Sent: p.sent, Want: r.want, Got: p.got, Cause: r.cause, Chapter: p.fault.call.chapter, Log: p.words}
}
