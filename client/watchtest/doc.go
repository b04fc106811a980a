// Package watchtest proves the page of client watch in a real browser. It has only
// tests, apart from the client because of what they need.
package watchtest
