// Package system does not compile where the course cannot run, and says so.
package system
