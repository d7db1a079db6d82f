// What sinkwell costs a Go program beside the OpenTelemetry SDK, slog, zap, and signing by hand. One run of one
// candidate, in a process of its own; bench/rust asks, counts what arrives, and makes the table:
//
//	bench run CANDIDATE LOAD PORT DIR
//	bench facts
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func main() {
	if err := answer(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answer(args []string) error {
	if len(args) == 1 && args[0] == "facts" {
		fmt.Print(runtime.Version())
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, dep := range info.Deps {
				switch dep.Path {
				case "go.opentelemetry.io/otel/sdk/log", "go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp",
					"go.uber.org/zap":
					fmt.Printf(", %s %s", dep.Path, dep.Version)
				}
			}
		}
		fmt.Println()
		return nil
	}
	if len(args) != 5 || args[0] != "run" {
		return fmt.Errorf("usage: bench run CANDIDATE LOAD PORT DIR | bench facts")
	}
	load, err := readLoad(args[2])
	if err != nil {
		return err
	}
	candidate, err := open(args[1], args[3], args[4])
	if err != nil {
		return err
	}
	answer, err := measure(candidate, load)
	if err != nil {
		return err
	}
	fmt.Println(answer.line())
	return nil
}
