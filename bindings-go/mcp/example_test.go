package mcp_test

import (
	"context"
	"fmt"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	sinkwell "sinkwell.dev/go"
	sinkmcp "sinkwell.dev/go/mcp"
)

// A client and a server, linked in memory: each call is a deed on both sides, and the two are one graph.
func Example() {
	sw, err := sinkwell.Open(sinkwell.Text("agent: { id: 'urn:example:shop' }\nlanes: [ memory ]\n"))
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	defer func() { _, _ = sw.Close(ctx) }()

	server := mcp.NewServer(&mcp.Implementation{Name: "shop", Version: "1"}, nil)
	mcp.AddTool(server, &mcp.Tool{Name: "pay"}, func(_ context.Context, _ *mcp.CallToolRequest, in paid) (*mcp.CallToolResult, any, error) {
		return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: "paid " + in.To}}}, nil, nil
	})
	sinkmcp.WatchServer(server, sw)
	client := mcp.NewClient(&mcp.Implementation{Name: "agent", Version: "1"}, nil)
	sinkmcp.WatchClient(client, sw)

	one, other := mcp.NewInMemoryTransports()
	if _, err := server.Connect(ctx, one, nil); err != nil {
		panic(err)
	}
	session, err := client.Connect(ctx, other, nil)
	if err != nil {
		panic(err)
	}
	defer func() { _ = session.Close() }()
	result, err := session.CallTool(sinkwell.WithRun(ctx, "r-17"), &mcp.CallToolParams{Name: "pay", Arguments: paid{To: "Ann"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(result.Content[0].(*mcp.TextContent).Text)
	// Output: paid Ann
}
