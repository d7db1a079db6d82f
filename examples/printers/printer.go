// Prints events for `sinkwell vacuum`: see docs/VACUUM.md.
package main

import (
	"encoding/json"
	"fmt"
)

// emit prints one event, on a line of its own.
func emit(event map[string]any) error {
	event["_e"] = 1
	line, err := json.Marshal(event)
	if err == nil {
		_, err = fmt.Printf("%s\n", line)
	}
	return err
}

func main() {
	if err := emit(map[string]any{"action": "transfer", "value": 7, "note": "a \"quoted\"\nline, ü 🌍"}); err != nil {
		panic(err)
	}
}
