// Package watchtest tests the page of client watch in a real browser. It has only
// tests, kept apart from the client because of their dependencies.
package watchtest
