package echotest

import "net"

// A Thread is a thread of a server, as the system shows it.
type Thread struct {
	ID      int
	Slept   int    // how often it has gone to sleep
	Runs    bool   // it has a CPU, or wants one
	Call    string // that it sleeps in, such as epoll_wait; "": none, or another
	FD      int    // the first argument of Call; of poll and select, how many descriptors it asks about
	Limited bool   // Call has a time limit
}

// A Registration is what an epoll instance was asked about a descriptor.
type Registration struct {
	Poller            int  // the descriptor of the instance
	Runtime           bool // which is the Go runtime's own: package net waits there
	FD                int
	Inode             uint64 // of the file behind FD
	Read, Write, Edge bool
}

// Threads lists the server's threads.
func (s *Server) Threads() ([]Thread, error) { return threadsOf(s.Pid) }

// Reads counts the server's calls of read(2) and the like, also those that brought
// nothing.
func (s *Server) Reads() (int64, error) { return readsOf(s.Pid) }

// Registrations lists what the server has registered with epoll(7).
func (s *Server) Registrations() ([]Registration, error) { return registrationsOf(s.Pid) }

// InodeOf returns the inode of the file behind the server's descriptor fd.
func (s *Server) InodeOf(fd int) (uint64, error) { return inodeOf(s.Pid, fd) }

// DescriptorOf returns the descriptor of the server's end of a connection with that
// address, and of its listener for nil; -1 if it has none.
func (s *Server) DescriptorOf(client net.Addr) int {
	sc := s.look()
	k := sc.listener()
	if client != nil {
		k = sc.of(procAddr(client.String()))
	}
	if k == nil {
		return -1
	}
	return k.fd
}
