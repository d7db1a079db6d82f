package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	sinkwell "sinkwell.dev/go"
	sinkmcp "sinkwell.dev/go/mcp"
)

const (
	// serveTo has this test's program be a server on its standard input and output, which seals into this file.
	serveTo = "SINKWELL_TEST_SERVE_TO"
	keyFile = "SINKWELL_TEST_KEY"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(serveTo); path != "" {
		serve(path)
		return
	}
	os.Exit(m.Run())
}

func serve(path string) {
	key := map[string]any{"id": "k1", "hmac_sha256": map[string]any{"file": os.Getenv(keyFile)}}
	sw, err := sinkwell.Open(map[string]any{
		"agent": map[string]any{"id": "urn:example:shop"}, "heartbeat": "off", "key": key,
		"lanes": []any{map[string]any{"sink": map[string]any{"file": map[string]any{"path": path}}}},
	})
	if err != nil {
		panic(err)
	}
	server := shop(new([]string))
	sinkmcp.WatchServer(server, sw)
	_ = server.Run(context.Background(), &mcp.StdioTransport{})
	_, _ = sw.Close(context.Background())
}

const client = `
const { Client } = require('@modelcontextprotocol/sdk/client/index.js');
const { StdioClientTransport } = require('@modelcontextprotocol/sdk/client/stdio.js');
const { Emitter, run } = require('sinkwell');
const { watch } = require('sinkwell/mcp');

(async () => {
  const [server, served, asked, key] = process.argv.slice(2);
  const sw = await Emitter.open({
    agent: { id: 'urn:example:buyer' },
    heartbeat: 'off',
    key: { id: 'k1', hmac_sha256: { file: key } },
    lanes: [{ sink: { file: { path: asked } } }],
  });
  const client = watch(new Client({ name: 'buyer', version: '1.0.0' }), { emitter: sw });
  const env = { ...process.env, SINKWELL_TEST_SERVE_TO: served, SINKWELL_TEST_KEY: key };
  await client.connect(new StdioClientTransport({ command: server, env }));
  const call = { name: 'pay', arguments: { to: 'CANARY-7f3a' } };
  await run('r-17', async () => {
    sw.emit('policy.decision', { decision: 'allow', rule: 'small' }, { id: 'd-1' });
    await run({ run: 'r-17', causation: 'd-1' }, () => client.callTool(call));
  });
  await client.callTool(call);
  await client.close();
  await sw.shutdown();
})();
`

// The client is TypeScript's, the server Go's, in another process: what both sealed is one graph.
func TestAClientInTypeScriptAndAServerInGoAreOneGraph(t *testing.T) {
	root, _ := filepath.Abs("../..")
	node, err := exec.LookPath("node")
	for _, needed := range []string{"bindings-node/dist/mcp.js", "bindings-node/node_modules/@modelcontextprotocol/sdk", "target/debug/sinkwell"} {
		if _, missing := os.Stat(filepath.Join(root, needed)); missing != nil {
			err = missing
		}
	}
	if err != nil {
		t.Skip("the package of Node is not built here: ", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	served, asked, key := filepath.Join(dir, "shop.ndjson"), filepath.Join(dir, "buyer.ndjson"), filepath.Join(dir, "key")
	script := filepath.Join(dir, "client.cjs")
	modules := filepath.Join(dir, "node_modules")
	for _, err := range []error{
		os.WriteFile(key, bytes.Repeat([]byte{7}, 32), 0o600),
		os.WriteFile(script, []byte(client), 0o600),
		os.Mkdir(modules, 0o700),
		os.Symlink(filepath.Join(root, "bindings-node"), filepath.Join(modules, "sinkwell")),
		os.Symlink(filepath.Join(root, "bindings-node/node_modules/@modelcontextprotocol"), filepath.Join(modules, "@modelcontextprotocol")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(soon(t), node, script, self, served, asked, key)
	if said, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	theirs, ours := read(t, served), read(t, asked)
	same(t, brief(theirs), []string{
		"tool.invocation pay intent", "tool.invocation pay result ok",
		"tool.invocation pay intent", "tool.invocation pay result ok",
	})
	same(t, brief(ours)[1:], brief(theirs))
	for i, event := range theirs {
		// By W3C trace context.
		same(t, event.Traceparent, ours[i+1].Traceparent)
		same(t, event.RunID, ours[i+1].RunID)
	}
	same(t, theirs[0].RunID, "r-17")
	// Without a run of the host's it is that of the trace.
	same(t, theirs[2].RunID, theirs[2].Traceparent[3:35])
	same(t, theirs[0].CausationID, ours[1].ID)

	// What nobody decided is found, and that is exit status 1: the graph is printed all the same.
	graph := exec.CommandContext(soon(t), filepath.Join(root, "target/debug/sinkwell"),
		"graph", "--format", "json", "--run", "r-17", "--key", "k1=hmac:"+key, asked, served)
	text, _ := graph.Output()
	var told struct {
		Nodes []struct {
			ID string `json:"id"`
		} `json:"nodes"`
		Edges []struct {
			From  string `json:"from"`
			To    string `json:"to"`
			There bool   `json:"there"`
		} `json:"edges"`
	}
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	linked := map[string]bool{}
	for _, edge := range told.Edges {
		if edge.There {
			linked[edge.From+" "+edge.To] = true
		}
	}
	for _, edge := range [][2]string{
		{ours[1].ID, "d-1"}, {theirs[0].ID, ours[1].ID}, {theirs[1].ID, theirs[0].ID},
	} {
		from, to := "event:"+edge[0], "event:"+edge[1]
		if !linked[from+" "+to] && !linked[to+" "+from] {
			t.Errorf("no edge between %s and %s in %s", from, to, text)
		}
	}
	if strings.Contains(string(text), "CANARY") {
		t.Error("people's words are in the graph")
	}
}

func read(t *testing.T, path string) []envelope {
	t.Helper()
	events, _ := readAll(t, path)
	return events
}
