package system

var _ int = "use Linux, macOS or a BSD; on Windows, WSL or the dev container"
