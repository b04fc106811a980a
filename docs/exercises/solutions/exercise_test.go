package main

import (
	"testing"

	"example/tcpladder/docs/exercises/exercisetest"
)

func TestMain(m *testing.M) { exercisetest.Main(m, main) }

func TestExercise(t *testing.T) { exercisetest.Run(t) }
