package exercisetest

// all is every exercise, in the order in which they are meant to be done. Each
// stands in a file of its own.
var all = []Exercise{
	threads,
	protocol,
	naps,
	poll,
	lineEcho,
	streaming,
	status,
	edge,
	spin,
	handshake,
	chat,
}
